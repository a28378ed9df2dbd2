"""What was saved as JSON, read back: never trusted, and never more than data."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

# What a value must be: a type, several of which one must fit, a list whose elements are all of one
# kind, or an object that has at least these keys; `name?` for one that may be missing, and `...`
# for all keys that are not named. A whole number is a float, too; a bool is no number.
Shape = Any


class _Anything:
    def __repr__(self) -> str:
        return "anything"


ANYTHING = _Anything()


def loads(text: str) -> Any:
    """Parse JSON whose objects have each key once.

    Raises:
        ValueError: It is no JSON, a key stands twice, a text has half a character, or it is nested
            too deeply.
    """
    try:
        found = DECODER.decode(text)
        if _SURROGATE.search(text):
            # Of a pair that makes one character, both halves are there.
            json.dumps(found, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except UnicodeEncodeError:
        raise ValueError("a text has half a character, which no text in UTF-8 has") from None
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object, or raise if a key occurs twice: either value may be the right one."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(n for n in names if names.count(n) > 1)!r} stands twice")
    return found


_SURROGATE = re.compile(r"\\ud[89a-f]", re.IGNORECASE)
DECODER = json.JSONDecoder(object_pairs_hook=_once)


def check(value: Any, shape: Shape, where: str = "") -> None:
    """Raise unless a JSON value has this shape.

    Args:
        value: The value.
        shape: The shape.
        where: Where the value stands, as in `outputs.users`.

    Raises:
        ValueError: It has not; the message says where.
    """
    if shape is ANYTHING:
        return
    if isinstance(shape, tuple):
        if not any(_fits(value, one) for one in shape):
            # The last one says most: None comes first.
            check(value, shape[-1], where)
        return
    if isinstance(shape, Mapping):
        _check_object(value, shape, where)
        return
    if isinstance(shape, list):
        if not isinstance(value, list):
            raise ValueError(f"{where} is {shown(value)}, not a list")
        for number, part in enumerate(value):
            check(part, shape[0], f"{where}[{number}]")
        return
    if not _is(value, shape):
        raise ValueError(f"{where} is {shown(value)}, not {_NAMES.get(shape, shape)}")


def _check_object(value: Any, shape: Mapping[Any, Shape], where: str) -> None:
    if not isinstance(value, dict):
        raise ValueError(f"{where or 'it'} is {shown(value)}, not an object")
    for name in shape:
        if name is not ... and not name.endswith("?") and name not in value:
            raise ValueError(f"{_path(where, name)} is missing")
    for name, inner in value.items():
        known = next((key for key in (name, f"{name}?", ...) if key in shape), None)
        if known is not None:
            check(inner, shape[known], _path(where, name))


def _path(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


_NAMES: dict[Any, str] = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    None: "null",
    dict: "an object",
    list: "a list",
}


def _is(value: Any, kind: Any) -> bool:
    if kind is None:
        return value is None
    if kind is float:
        # JSON has no NaN, and float64 no larger number.
        return type(value) in (int, float) and abs(value) <= _LARGEST
    return type(value) is kind


def _fits(value: Any, shape: Shape) -> bool:
    try:
        check(value, shape)
    except ValueError:
        return False
    return True


def shown(value: Any) -> str:
    """Return a value as a message shows it."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


_LARGEST = 1.7976931348623157e308
