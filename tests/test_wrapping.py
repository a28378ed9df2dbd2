"""Long lines are broken where a reader would, and nothing else changes."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from sqlstab.statements.wrapping import wrapped

FILLER = "+ a_long_name" * 9


def test_calls_and_brackets() -> None:
    line = f"    outer(first, [inner(x, y), {FILLER}]) AS name"
    assert wrapped(f"{line}\n") == (
        f"    outer(\n        first,\n        [\n            inner(x, y),\n            {FILLER}\n"
        "        ]\n    ) AS name\n"
    )


def test_cases() -> None:
    line = f"CASE WHEN (a = 1 {FILLER}) THEN 1 ELSE 2 END - b"
    assert wrapped(line).splitlines() == [
        "CASE",
        *["    WHEN (", f"        a = 1 {FILLER}", "    ) THEN 1", "    ELSE 2", "END - b"],
    ]


def test_what_stays() -> None:
    for line in ("f(a, b)", f"-- of (a, {FILLER})", FILLER, f"'(, {FILLER}'"):
        assert wrapped(line) == f"{line}\n"


nested = st.recursive(
    st.sampled_from(["a", "'(,)'", "1E0", "x -> y", "CASE WHEN a THEN b ELSE c END", FILLER]),
    lambda part: st.tuples(st.sampled_from(["f({})", "[{}]", "({}) + 1"]), st.lists(part)).map(
        lambda drawn: drawn[0].format(", ".join(drawn[1]))
    ),
)


@given(nested)
def test_only_white_space_changes(text: str) -> None:
    assert re.sub(r"\s+", "", wrapped(text)) == re.sub(r"\s+", "", text)
    assert wrapped(wrapped(text)) == wrapped(text)
