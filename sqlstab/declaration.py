"""Declare an option once: as a field of a dataclass that says what it may be.

From such a field come its option on the command line, its key in a project file, its check, the
words of an error, and its row in the documentation.
"""

from __future__ import annotations

import collections.abc
from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from functools import cache
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from sqlstab import saved
from sqlstab.errors import UsageError

_METADATA = "sqlstab"


@dataclass(frozen=True)
class Declaration:
    """What an option is.

    Attributes:
        help: What it does, in a sentence or two.
        least: The least number that it may be.
        most: The largest number that it may be.
        above: What it must be larger than.
        parse: Turns what was given into a value of the field's type; raises ValueError.
        wanted: What `parse` takes, for an error: `a share of the rows, as in 5% or 0.05`.
        metavar: What stands for the value in a help text.
        commands: The commands that have it on the command line.
        common: Whether `--help` shows it; `--help-all` shows all.
        variable: The environment variable that stands for it there.
        section: The section of the project file; `None` for those of tables, which have several.
        option: Its name on the command line; default: the field's, with hyphens.
        key: Its name in the project file; default: the field's.
        name: The field's name; set from the field.
        default: The field's default; set from the field.
        type: `str`, `int`, `float`, `bool`, or `tuple` for several strings; set from the field.
        choices: The words that it may be; set from the field's Literal.
    """

    help: str
    least: float | None = None
    most: float | None = None
    above: float | None = None
    parse: Callable[[Any], Any] | None = None
    wanted: str = ""
    metavar: str | None = None
    commands: tuple[str, ...] = ()
    common: bool = False
    variable: str | None = None
    section: str | None = None
    option: str = ""
    key: str = ""
    name: str = ""
    default: Any = None
    type: type = str
    choices: tuple[str, ...] = ()

    @property
    def required(self) -> bool:
        """Whether it has no default."""
        return self.default is MISSING

    def checked(self, value: Any) -> Any:
        """Return a value in the field's own type.

        Raises:
            UsageError: It cannot be this option's value.
        """
        if value is None and self.default is None:
            return None
        found = self._converted(value)
        # NaN is neither.
        above = self.above is None or (found is not None and found > self.above)
        least = self.least is None or (found is not None and found >= self.least)
        most = self.most is None or (found is not None and found <= self.most)
        if found is None or not (above and least and most):
            raise UsageError(f"--{self.option} is {saved.shown(value)}; it {self.must_be}.")
        return found

    def _converted(self, value: Any) -> Any:
        """Return a value of the right type, or None."""
        if self.parse:
            try:
                return self.parse(value)
            except (TypeError, ValueError, OverflowError):
                return None
        if self.type is tuple:
            texts = not isinstance(value, str) and isinstance(value, Sequence)
            return tuple(value) if texts and all(isinstance(v, str) for v in value) else None
        if self.type in (int, float):
            # numpy's numbers too, but a figure is written as JSON.
            kind = Integral if self.type is int else Real
            fits = isinstance(value, kind) and not isinstance(value, bool)
            # A float cannot hold all of Python's integers.
            fits = fits and abs(value) < 2**63
            return self.type(value) if fits else None
        fits = isinstance(value, self.type) and (not self.choices or value in self.choices)
        return value if fits else None

    @property
    def must_be(self) -> str:
        """What it may be, in words: `must be a number from 0 to 1`."""
        if self.choices:
            return f"can be {', '.join(self.choices)}"
        if self.wanted:
            return f"must be {self.wanted}"
        kinds = {
            bool: "true or false",
            int: "a whole number",
            float: "a number",
            tuple: "a sequence of names",
            str: "text",
        }
        return f"must be {kinds[self.type]}{self.range}"

    @property
    def range(self) -> str:
        """Its range in words, with a blank in front: ` from 0 to 1`."""
        number = "{:,g}".format
        if self.above is not None:
            most = f" and at most {number(self.most)}" if self.most is not None else ""
            return f" above {number(self.above)}{most}"
        if self.least is None:
            return ""
        most = f"to {number(self.most)}" if self.most is not None else "on"
        return f" from {number(self.least)} {most}"


def declare(help: str, *, default: Any = None, **settings: Any) -> Any:  # noqa: A002 - as click has it
    """Return a dataclass field with its declaration.

    Args:
        help: What the option does.
        default: Its default; `MISSING` where it is required.
        settings: Other attributes of its `Declaration`.
    """
    metadata = {_METADATA: Declaration(help, **settings)}
    if default is MISSING:
        return field(metadata=metadata)
    return field(default=default, metadata=metadata)


@cache
def declarations(settings: type) -> dict[str, Declaration]:
    """Return the options that a dataclass declares, by the names of its fields."""
    # Names that a module imports for annotations alone are not there at run time.
    hints = get_type_hints(settings, localns=vars(collections.abc))
    return {
        f.name: _completed(f, hints[f.name]) for f in fields(settings) if _METADATA in f.metadata
    }


def _completed(of: Field[Any], hint: Any) -> Declaration:
    declared: Declaration = of.metadata[_METADATA]
    hints = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    kinds = [kind for kind in hints if kind is not NoneType]
    choices = [c for kind in kinds if get_origin(kind) is Literal for c in get_args(kind)]
    several = any(get_origin(kind) is collections.abc.Sequence for kind in kinds)
    plain = [kind for kind in kinds if kind in (bool, int, float)]
    values = {
        **{name: getattr(declared, name) for name in declared.__dataclass_fields__},
        "option": declared.option or of.name.replace("_", "-"),
        "key": declared.key or of.name,
        "name": of.name,
        "default": of.default,
        "type": tuple if several else plain[0] if plain else str,
        "choices": tuple(choices),
    }
    return Declaration(**values)


def check(settings: Any) -> None:
    """Check all options of a dataclass, and set each to a value of its own type.

    Raises:
        UsageError: One has a value that it cannot have.
    """
    kind: type = type(settings)
    for name, declared in declarations(kind).items():
        object.__setattr__(settings, name, declared.checked(getattr(settings, name)))
