"""Each option is declared once, and reaches the command line, the project file and the docs."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqlstab.cli import cli
from sqlstab.declaration import Declaration, declarations, declare
from sqlstab.errors import Face, UsageError, in_python, on_the_command_line, spelled, typed_in
from sqlstab.options import (
    DECLARING,
    IN_FILES,
    EngineSettings,
    Options,
    Place,
    options_of,
    options_table,
)
from sqlstab.project import Project, in_the_file, sections
from sqlstab.secret import SecretUrl
from sqlstab.statements.given import EmbeddingTable, FurtherTable
from sqlstab.statements.sides import option

ALL = [
    pytest.param(settings, declared, id=f"{settings.__name__}.{name}")
    for settings in DECLARING
    for name, declared in declarations(settings).items()
]
IN_FILE = [param for param in ALL if param.values[0] in IN_FILES]
EVERY = pytest.mark.parametrize(("settings", "declared"), ALL)


def parameters(command: str) -> dict[str, click.Option]:
    found = cli.get_command(click.Context(cli), command)
    assert found is not None
    return {
        name: parameter
        for parameter in found.params
        if isinstance(parameter, click.Option)
        for name in parameter.opts
    }


def toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(toml, value))}]"
    return f"'{value}'" if isinstance(value, str) else str(value)


def valid(declared: Declaration) -> Any:
    """A value that the option may have, other than its default where there is another."""
    if declared.choices:
        return declared.choices[-1]
    if declared.name == "url":
        return "spark+x://host/db"
    if declared.wanted.startswith("a share"):
        return "5%"
    return {bool: not declared.default, int: 2, float: 0.5, tuple: ("a", "b"), str: "x"}[
        declared.type
    ]


# Every declaration.


@EVERY
def test_every_field_is_declared(settings: type, declared: Declaration) -> None:
    assert [field.name for field in dataclasses.fields(settings)] == list(declarations(settings))
    assert declared.help.endswith(".")
    assert declared.help[0].isupper() or declared.choices


@EVERY
def test_it_is_on_the_command_line(settings: type, declared: Declaration) -> None:
    for command in declared.commands:
        parameter = parameters(command)[f"--{declared.option}"]
        assert parameter.name == declared.name
        assert parameter.help is not None
        assert parameter.help.startswith(declared.help)
        # None: what is not given may stand in a project file.
        assert parameter.default is None or not isinstance(parameter.default, str | int)
        if declared.default not in (None, (), False):
            assert parameter.help.endswith(f"Default: {declared.default}.")
        if declared.choices:
            assert isinstance(parameter.type, click.Choice)
            assert tuple(parameter.type.choices) == declared.choices


@pytest.mark.parametrize(("settings", "declared"), IN_FILE)
def test_it_is_in_the_project_file(
    settings: type, declared: Declaration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    section = declared.section or "items"
    assert sections()[section][declared.key] is declared
    tables = {"users": {"table": "u"}, "items": {"table": "i"}}
    value = valid(declared)
    tables.setdefault(section, {})[declared.key] = value
    text = "".join(
        f"[{name}]\n" + "".join(f"{key} = {toml(v)}\n" for key, v in keys.items())
        for name, keys in tables.items()
    )
    Path("p.toml").write_text(text)
    project = Project.load("p.toml", {})
    homes: dict[type, Any] = {
        EngineSettings: project.engine,
        Place: project.place,
        EmbeddingTable: project.tables["items"],
        Options: project.options,
    }
    found = getattr(homes[settings], declared.name)
    found = found.reveal() if isinstance(found, SecretUrl) else found
    assert found == (0.05 if value == "5%" else value)


@EVERY
def test_it_is_in_the_docs(settings: type, declared: Declaration) -> None:
    rows = [
        row
        for row in options_table().splitlines()
        if re.search(rf"`(\[\w+\] )?{declared.key}`|`--{declared.option}`", row)
    ]
    assert any(declared.help in row for row in rows)
    for choice in declared.choices:
        assert any(f"`{choice}`" in row for row in rows)


@EVERY
def test_it_is_checked(settings: type, declared: Declaration) -> None:
    """What it cannot be is refused by its name, in words that say what it can be."""
    wrong: list[Any] = [object()] if declared.name != "relation" else [5]
    if declared.choices or declared.type in (int, float):
        wrong += ["sideways", float("nan"), True]
    if declared.least is not None:
        wrong.append(declared.least - 1)
    if declared.most is not None:
        wrong.append(declared.most + 1)
    if declared.above is not None:
        wrong.append(declared.above)
    required = {name: "x" for name, d in declarations(settings).items() if d.required}
    for value in wrong:
        with pytest.raises(UsageError) as caught:
            settings(**{**required, declared.name: value})
        message = str(caught.value)
        assert message.startswith(f"{spelled(f'--{declared.option}')} is {value!r}; it ")
        assert message.endswith(f"{declared.must_be}.")


def test_no_list_of_names_stands_elsewhere() -> None:
    """An option that is about runs alone is named in no other module than those that use it."""
    root = Path(__file__).parent.parent / "sqlstab"
    lists = [
        root / "errors.py",
        root / "project.py",
        root / "declaration.py",
        *(root / "cli").glob("*.py"),
    ]
    # Words of one part may be any words, and a summary says that only maps were written.
    names = {name for name in declarations(Options) if "_" in name} - {"maps_only"}
    for path in lists:
        found = {name for name in names if re.search(rf"\b{name}\b", path.read_text())}
        assert not found, path


def test_a_run_has_about_thirty_options() -> None:
    command = cli.get_command(click.Context(cli), "run")
    assert command is not None
    assert 25 <= len(command.params) <= 36
    assert len(options_of("run")) == len({declared.option for declared in options_of("run")})


def test_an_option_is_one_declaration() -> None:
    """What CONTRIBUTING says: one field, and it is on the command line, checked and in the docs."""

    @dataclasses.dataclass(frozen=True)
    class More(Options):
        patience: int = declare("How long to wait.", default=3, least=1, commands=("run",))

    declared = declarations(More)["patience"]
    assert declared.option == declared.key == "patience"
    assert "How long to wait." in options_table([More])


# What they are.


def test_defaults_are_valid() -> None:
    for settings in (Options, Place, EngineSettings):
        assert settings() == settings()
    assert Options().to_dict() == {
        "align": "recent",
        "memory": 0.8,
        "anchor": "items",
        "plain_rows": False,
        "maps_only": False,
        "map": None,
        "columns": None,
        "rank": None,
        "sample": None,
        "strategy": "auto",
        "refine": "auto",
        "on_invalid": "error",
        "output_layout": None,
        "output_type": None,
        "min_agreement": None,
        "min_shared_ids": None,
        "force": False,
    }


@pytest.mark.parametrize(
    ("sample", "share"), [(None, 1.0), ("5%", 0.05), (" 5 % ", 0.05), ("0.5", 0.5), (1, 1.0)]
)
def test_shares(sample: Any, share: float) -> None:
    assert Options(sample=sample).share == pytest.approx(share)


@pytest.mark.parametrize("sample", ["", "5", "0%", 0, -1, "nan", True, "a%", 1e-12, [], "1e999"])
def test_what_is_no_share(sample: Any) -> None:
    with pytest.raises(UsageError, match=r"^sample is .* a share of the rows, as in"):
        Options(sample=sample)


def test_numbers_of_numpy_are_numbers() -> None:
    options = Options(rank=np.int64(3), memory=np.float32(0.5), min_agreement=np.float64(0.25))  # type: ignore[arg-type]
    assert [type(value) for value in (options.rank, options.memory)] == [int, float]
    assert (options.rank, options.memory, options.min_agreement) == (3, 0.5, 0.25)


@given(st.integers() | st.floats() | st.text() | st.none() | st.booleans() | st.lists(st.text()))
def test_anything_is_a_value_or_a_usage_error(value: Any) -> None:
    for settings in DECLARING:
        required = {name: "x" for name, d in declarations(settings).items() if d.required}
        for name in declarations(settings):
            try:
                settings(**{**required, name: value})
            except UsageError as error:
                assert name != "relation" or error  # noqa: PT017 - one of both is fine


def test_anchors() -> None:
    both = ("users", "items")
    assert Options().anchors(both) == ("items",)
    assert Options(anchor="both").anchors(both) == both
    assert Options().anchors(["vectors"]) == ("vectors",)
    with pytest.raises(UsageError, match=r"^anchor chooses between users and items"):
        Options(anchor="users").anchors(["vectors"])
    with pytest.raises(UsageError, match=r"^refine is about"):
        Options(refine="always").anchors(["vectors"])


def test_one_engine() -> None:
    url = SecretUrl("postgresql://u:hunter2@h/d")
    for settings in ({"database": "x"}, {"kind": "spark"}, {"threads": 2}, {"memory_limit": "1GB"}):
        with pytest.raises(UsageError) as caught:
            EngineSettings(url=url, **settings)  # type: ignore[arg-type]
        assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(EngineSettings(url=url))


def test_tables() -> None:
    assert EmbeddingTable(Path("users")).relation == "./users"  # type: ignore[arg-type]
    assert EmbeddingTable(Path("a/users")).relation == "a/users"  # type: ignore[arg-type]
    data = (np.arange(2), np.eye(2))
    assert EmbeddingTable(data).relation is data  # type: ignore[arg-type]
    assert EmbeddingTable("u", keep=["a"]).keep == ("a",)
    assert EmbeddingTable("u", vector=["a", "b"]).vector == ("a", "b")
    with pytest.raises(UsageError, match=r"keep is a sequence of column names, as in \('a',\)"):
        EmbeddingTable("u", keep="a")
    assert FurtherTable("q", "users").like == "users"


# How messages name them.


ABOUT = [option("items", "anchor-filter"), option("queries", "id")]
VALUES = ["--on-invalid=drop", "--force=true", "--columns=64", "--run=ds=2026-11-30"]


@pytest.mark.parametrize(
    ("face", "names", "tables", "values"),
    [
        (
            in_python,
            ["on_invalid", "key", "engine"],
            ["EmbeddingTable(items, anchor_filter=...)", "EmbeddingTable(queries, id=...)"],
            ['on_invalid="drop"', "force=True", "columns=64", 'key="ds=2026-11-30"'],
        ),
        (
            on_the_command_line,
            ["--on-invalid", "--run", "--engine"],
            ["--anchor-filter", "--id"],
            ["--on-invalid drop", "--force", "--columns 64", "--run ds=2026-11-30"],
        ),
        (
            in_the_file,
            ["[run] on_invalid", "[run] key", "[engine] url"],
            ["[items] anchor_filter", "[also.queries] id"],
            [
                '[run] on_invalid = "drop"',
                "[run] force = true",
                "[run] columns = 64",
                '[run] key = "ds=2026-11-30"',
            ],
        ),
    ],
)
def test_spelling(face: Face, names: list[str], tables: list[str], values: list[str]) -> None:
    with typed_in(face):
        for option, value in zip(VALUES, values, strict=True):
            assert spelled(f"with {option}: yes, {option}.") == f"with {value}: yes, {value}."
        assert [spelled(name) for name in ("--on-invalid", "--run", "--engine")] == names
        assert [spelled(name) for name in ABOUT] == tables
        assert spelled("--on-invalid, x--run -- (see --run).") == (
            f"{names[0]}, x--run -- (see {names[1]})."
        )
        # A whole command is typed as it stands.
        assert spelled("sqlstab run --on-invalid drop") == "sqlstab run --on-invalid drop"


def test_python_is_the_default() -> None:
    assert spelled("--on-invalid") == "on_invalid"
