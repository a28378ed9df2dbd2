"""What people are told that `run.json` holds: words for its names."""

from __future__ import annotations

from typing import Any

_WORDS = {
    # Of an input.
    "relation": "table",
    "id": "id column",
    "id_type": "type of the id",
    "vector": "vector columns",
    "element": "type of a component",
    "keep": "columns copied",
    # Of its sums.
    "condition": "condition number",
    "accuracy": "rounding error",
    "passes": "scans for its sums",
    "summed": "rows summed",
    "left_out": "rows left out",
    # Of an alignment.
    "cosine": "at unit length",
    "anchors": "ids that it rests on",
    "relative_residual": "residual",
    "cka": "CKA",
    "linear_residual": "residual, linear map",
    "bound": "residual, upper bound",
    "determinant": "determinant, -1 with a reflection",
    "ambiguous": "ambiguous directions",
    # Gates.
    "min_shared_ids": "shared ids, at least",
    "min_mean_cosine": "mean cosine, at least",
    "min_cka": "CKA, at least",
    "max_residual": "residual, at most",
}


def word(name: str) -> str:
    """What to call a figure or a setting; the names of most are words already."""
    return _WORDS.get(name, name.replace("_", " "))


def counted(count: int, one: str, several: str = "") -> str:
    """So many of something: `1 row`, `1,200 rows`.

    Args:
        count: How many.
        one: What one is called.
        several: What several are, unless an `s` does it.
    """
    return f"{count:,} {one if count == 1 else several or f'{one}s'}"


def share(part: float) -> str:
    """A part of a whole that is worth a percentage."""
    return f"{part * 100:.3g}%" if part < 1 else f"{part * 100:,.0f}%"


def alignment_rows(alignment: dict[str, Any]) -> list[tuple[str, Any]]:
    """The figures of an alignment, each with its name."""
    rests_on = " and ".join(
        side if weight == 1 else f"{side} (weight {weight:.3g})"
        for side, weight in alignment["weights"].items()
    )
    return [
        ("aligned on", rests_on),
        *(
            (word(name), value)
            for name, value in alignment.items()
            if name not in ("side", "weights")
        ),
    ]
