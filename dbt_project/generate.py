"""Make the package's macros from `sql/` and `sqlstab/engines/`: `make dbt-macros`.

A statement `sql/NAME.sql.jinja` becomes the macro `statement_NAME` with what the template is given
as its parameters; a macro of a template becomes `part_NAME`. In dbt a macro sees no variables but
its own, and reaches others of its package by `sqlstab.` only: so whatever a macro takes from around
it becomes its first parameters, and calls are written anew. `PATTERN.format(...)` becomes a call of
`sqlstab.filled`, since Jinja in Rust, which dbt 2 has, need not know Python's strings. All the rest
is left as it stands.

A record of `sqlstab/engines/` becomes a macro `ADAPTER__dialect` that returns a dict, with the
comments of the record: the reasons of what is peculiar to that engine.
"""

from __future__ import annotations

import ast
import json
import re
import sys
import textwrap
from dataclasses import dataclass, fields, is_dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jinja2
import jinja2.meta

from sqlstab import engines

HERE = Path(__file__).resolve().parent
TEMPLATES = HERE.parent / "sql"
MADE = HERE / "macros" / "made"
DIALECTS = engines.dialects()
PACKAGE = "sqlstab"

_NOTE = "{{#- Made from {source} by `make dbt-macros`: change that, not this. -#}}\n\n"
_TAG = re.compile(r"{#.*?#}|{{.*?}}|{%.*?%}", re.DOTALL)
_TOKEN = re.compile(
    r"""\s+|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[A-Za-z_]\w*|\d+(?:\.\d+)?|.""", re.DOTALL
)
_MACRO = re.compile(r"{%-?\s*macro\s+(\w+)")
_END_MACRO = re.compile(r"{%-?\s*endmacro\s*-?%}")
_SET = re.compile(r"{%-?\s*set\s+(\w+)")
_IMPORT = re.compile(r"{%-?\s*from\s+\"(\w+)[\w.]+\"\s+import\s+([\w,\s]+?)\s*-?%}\n?")
_OPEN = {")": "(", "]": "[", "}": "{"}

# What the package's own macros read of a record, beside what the templates do.
_READ = {
    *("name", "gram", "most_sums", "longest_statement", "before", "array_of_one"),
    *("real", "double", "text", "integer", "bigint", "transactions"),
    *("solving.way", "tables.storage"),
}


@dataclass(frozen=True)
class Macro:
    """A macro of a template.

    Attributes:
        name: As the template calls it.
        made: Its name in dbt.
        text: From `{% macro` to `endmacro %}`, and the comment before it.
    """

    name: str
    made: str
    text: str

    @cached_property
    def free(self) -> set[str]:
        """The names that it takes from around it, those of macros among them."""
        return _free(self.text)


class Template:
    """A file of `sql/`: its macros, and what is left when they are taken out."""

    def __init__(self, path: Path) -> None:
        self.name = path.name.split(".")[0]
        text = path.read_text()
        self.imported = {
            name.strip(): source
            for source, names in _IMPORT.findall(text)
            for name in names.split(",")
        }
        own = "" if self.name == "macros" else f"{self.name}_"
        self.macros: list[Macro] = []
        rest, position = "", 0
        text = _IMPORT.sub("", text)
        for start in _MACRO.finditer(text):
            end = _END_MACRO.search(text, start.end())
            if end is None or _MACRO.search(text, start.end(), end.start()):
                raise ValueError(f"{path.name}: macro {start[1]} has no end, or a macro inside.")
            before, comment = _split_comment(text[position : start.start()])
            rest += before
            whole = comment + text[start.start() : end.end()]
            self.macros.append(Macro(start[1], f"part_{own}{start[1]}", whole))
            position = end.end()
        self.body = (rest + text[position:]).strip()

    def macro(self, name: str) -> Macro:
        """One of its macros."""
        return next(macro for macro in self.macros if macro.name == name)

    @property
    def is_statement(self) -> bool:
        """Whether there is more in it than macros and comments."""
        return bool(re.sub(r"{#.*?#}", "", self.body, flags=re.DOTALL).strip())

    @property
    def parameters(self) -> list[str]:
        """What the statement is rendered with, in the order of first use."""
        used = _free(self.body)
        for macro in self.macros:
            used |= macro.free
        used -= {macro.name for macro in self.macros} | set(self.imported) | {"dialect"}
        used -= set(_SET.findall(self.body))
        whole = self.body + "".join(macro.text for macro in self.macros)
        return ["dialect", *sorted(used, key=lambda name: re.search(rf"\b{name}\b", whole).start())]  # type: ignore[union-attr]


def _split_comment(text: str) -> tuple[str, str]:
    """What stands before a macro, without and with the comment right before it."""
    found = re.search(r"{#-(?:(?!#}).)*#}\s*\Z", text, re.DOTALL)
    return (text[: found.start()], found[0]) if found else (text, "")


def _free(text: str) -> set[str]:
    environment = jinja2.Environment(autoescape=False)  # noqa: S701 - SQL
    found = jinja2.meta.find_undeclared_variables(environment.parse(text))
    # What is set inside of a block that is itself set counts as undeclared there.
    return found - set(environment.globals) - set(_SET.findall(text))


class Translator:
    """Calls and formats in the words of dbt.

    Args:
        imported: The macros of other templates, by name; nothing around them is theirs.
        own: The template's own macros.
    """

    def __init__(self, imported: dict[str, Macro], own: dict[str, Macro]) -> None:
        self._own = own
        self._macros = imported | own
        self.closures: dict[str, list[str]] = {name: [] for name in imported} | {
            name: sorted(self._closure(macro, set())) for name, macro in own.items()
        }

    def _closure(self, macro: Macro, seen: set[str]) -> set[str]:
        """The variables from around it that a macro needs, for itself or for those it calls."""
        seen.add(macro.name)
        called = macro.free & set(self._macros)
        names = macro.free - called
        for name in called & set(self._own) - seen:
            names |= self._closure(self._macros[name], seen)
        return names

    def text(self, template: str) -> str:
        """A piece of a template, translated."""
        return _TAG.sub(lambda tag: self._tag(tag[0]), template)

    def _tag(self, tag: str) -> str:
        if tag.startswith("{#"):
            return tag
        tokens = _TOKEN.findall(tag[2:-2])
        return tag[:2] + "".join(self._formats(self._calls(tokens))) + tag[-2:]

    def _calls(self, tokens: list[str]) -> list[str]:
        found: list[str] = []
        opened: list[str] | None = None
        for number, token in enumerate(tokens):
            before = next((t for t in reversed(tokens[:number]) if not t.isspace()), "")
            if opened is not None:
                more = [] if tokens[number + 1] == ")" else [""]
                found.append("(" + ", ".join([*opened, *more]) if opened else "(")
                opened = None
            elif (
                token in self._macros and tokens[number + 1 : number + 2] == ["("] and before != "."
            ):
                prefix = "" if before == "macro" else f"{PACKAGE}."
                found.append(prefix + self._macros[token].made)
                opened = self.closures[token]
            else:
                found.append(token)
        return _TOKEN.findall("".join(found))

    def _formats(self, tokens: list[str]) -> list[str]:
        """`PATTERN.format(a, b)` as `sqlstab.filled(PATTERN, [a, b])`."""
        while True:
            for number in range(len(tokens) - 2):
                if tokens[number : number + 3] == [".", "format", "("]:
                    break
            else:
                return tokens
            start = _start_of_primary(tokens, number)
            end = _closing(tokens, number + 2)
            tokens = [
                *tokens[:start],
                *_TOKEN.findall(f"{PACKAGE}.filled("),
                *tokens[start:number],
                ",",
                " ",
                "[",
                *tokens[number + 3 : end],
                "]",
                *tokens[end:],
            ]


def _start_of_primary(tokens: list[str], end: int) -> int:
    """Where the expression begins that `.format` at `end` belongs to."""
    position = end - 1
    while True:
        if tokens[position] in (")", "]"):
            position = _opening(tokens, position)
            if position and (tokens[position - 1].isidentifier() or tokens[position - 1] in ")]"):
                if tokens[position - 1] in ("if", "else", "and", "or", "not", "in", "is"):
                    return position
                position -= 1
                continue
        if position and tokens[position - 1] == ".":
            position -= 2
            continue
        return position


def _closing(tokens: list[str], position: int) -> int:
    depth = 0
    for number in range(position, len(tokens)):
        if tokens[number] in _OPEN.values():
            depth += 1
        elif tokens[number] in _OPEN:
            depth -= 1
            if depth == 0:
                return number
    raise ValueError(f"A parenthesis stays open: {''.join(tokens)}")


def _opening(tokens: list[str], position: int) -> int:
    depth = 0
    for number in range(position, -1, -1):
        if tokens[number] in _OPEN:
            depth += 1
        elif tokens[number] in _OPEN.values():
            depth -= 1
            if depth == 0:
                return number
    raise ValueError(f"A parenthesis was never opened: {''.join(tokens)}")


def made() -> dict[str, str]:
    """The files of `macros/made`, by name."""
    templates = {
        template.name: template for template in map(Template, sorted(TEMPLATES.glob("*.sql.jinja")))
    }
    found: dict[str, str] = {}
    hidden: list[str] = []
    for template in templates.values():
        imported = {
            name: templates[source].macro(name) for name, source in template.imported.items()
        }
        own = {macro.name: macro for macro in template.macros}
        translator = Translator(imported, own)
        parts = [translator.text(macro.text.strip()) for macro in template.macros]
        hidden += [macro.made for macro in template.macros]
        if template.is_statement:
            name = f"statement_{template.name}"
            parameters = ", ".join(template.parameters)
            body = translator.text(template.body)
            parts.append(f"{{%- macro {name}({parameters}) -%}}\n{body}\n{{%- endmacro -%}}")
            hidden.append(name)
        note = _NOTE.format(source=f"sql/{template.name}.sql.jinja")
        found[f"{template.name}.sql"] = note + "\n\n".join(parts) + "\n"
    read = _READ | set().union(
        *(
            re.findall(r"\bdialect\.((?:solving\.|tables\.)?\w+)", path.read_text())
            for path in TEMPLATES.glob("*.jinja")
        )
    )
    found["dialects.sql"] = _dialects(read)
    hidden += [f"{name}__dialect" for name in DIALECTS]
    shown = set(re.findall(r"^  - name: (\w+)", (HERE / "macros/_macros.yml").read_text(), re.M))
    for path in sorted((HERE / "macros").rglob("*.sql")):
        if path.parent != MADE:
            hidden += set(_MACRO.findall(path.read_text())) - shown
    found["_made.yml"] = _properties(sorted(hidden))
    return found


def _dialects(read: set[str]) -> str:
    reasons = _reasons()
    parts = [_NOTE.format(source="sqlstab/engines/").rstrip()]
    for name, dialect in DIALECTS.items():
        entries = _entries(dialect, read)
        said = "".join(
            "\n"
            + textwrap.fill(
                f"{key}: {text}", 110, initial_indent="    ", subsequent_indent="      "
            )
            for key, text in reasons[name].items()
            if key in read
        )
        comment = f"{{#- Why {name} is as it is:{said} -#}}\n" if said else ""
        parts.append(
            f"{comment}{{%- macro {name}__dialect() -%}}\n"
            f"{{{{ return({{\n{entries}\n}}) }}}}\n{{%- endmacro -%}}"
        )
    return "\n\n".join(parts) + "\n"


def _entries(record: Any, read: set[str], within: str = "", indent: str = "    ") -> str:
    """The fields of a record that are read, as the entries of a dict."""
    entries = []
    for field in fields(record):
        name, value = f"{within}{field.name}", getattr(record, field.name)
        if is_dataclass(value):
            text = f"{{\n{_entries(value, read, f'{name}.', indent * 2)}\n{indent}}}"
        elif name in read or any(key.startswith(f"{name}.") for key in read):
            text = _literal(value)
        else:
            continue
        entries.append(f"{indent}{json.dumps(field.name)}: {text}")
    return ",\n".join(entries)


def _literal(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, frozenset):
        value = sorted(value)
    if isinstance(value, tuple):
        value = list(value)
    return json.dumps(value, ensure_ascii=False)


def _reasons() -> dict[str, dict[str, str]]:
    """The comments of each record, by field."""
    found: dict[str, dict[str, str]] = {}
    for name in DIALECTS:
        path = Path(engines.__file__).with_name(f"{name}.py")
        lines = path.read_text().splitlines()
        for node in ast.parse(path.read_text()).body:
            is_record = isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
            if not is_record or getattr(node.value.func, "id", "") not in ("Dialect", "replace"):  # type: ignore[attr-defined]
                continue
            call: ast.Call = node.value  # type: ignore[attr-defined]
            values = _keywords(call)
            inherited = found.get(call.args[0].id.lower(), {}) if call.args else {}  # type: ignore[attr-defined]
            own = {
                key: text for key, k in values.items() if (text := _comment(lines, k.lineno - 2))
            }
            found[name] = {k: t for k, t in inherited.items() if k not in values} | own
    return found


def _keywords(call: ast.Call, within: str = "") -> dict[str, ast.keyword]:
    """What a record is made of, that of the records in it too, as in `solving.append`."""
    found: dict[str, ast.keyword] = {}
    for keyword in call.keywords:
        name = f"{within}{keyword.arg}"
        if isinstance(keyword.value, ast.Call) and keyword.arg in ("solving", "tables"):
            found |= _keywords(keyword.value, f"{name}.")
        else:
            found[name] = keyword
    return found


def _comment(lines: list[str], last: int) -> str:
    """The comment whose last line this is."""
    first = last
    while lines[first].strip().startswith("#"):
        first -= 1
    return " ".join(line.strip().lstrip("# ") for line in lines[first + 1 : last + 1])


def _properties(hidden: list[str]) -> str:
    head = "# Made by `make dbt-macros`: all that macros/_macros.yml does not describe."
    listed = "".join(f"  - name: {name}\n    docs: {{show: false}}\n" for name in hidden)
    return f"{head}\nversion: 2\n\nmacros:\n{listed}"


def main() -> None:
    """Write the files, and remove what is made no more."""
    files = made()
    MADE.mkdir(parents=True, exist_ok=True)
    for path in MADE.iterdir():
        if path.name not in files:
            path.unlink()
    for name, text in files.items():
        (MADE / name).write_text(text)
    sys.stdout.write(f"{len(files)} files in {MADE}\n")


if __name__ == "__main__":
    main()
