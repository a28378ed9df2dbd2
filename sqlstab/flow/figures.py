"""The figures of a run, each declared once: its name, its type, its words, and where it comes from.

`run.json` is made from these tables, checked against them when read, and shown in their words.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, get_args

from sqlstab import saved
from sqlstab.maths import quality
from sqlstab.options import MapKind
from sqlstab.statements.sides import SIDES, VECTORS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from sqlstab.flow.check import Checked
    from sqlstab.maths.quality import Agreement, SharedSums
    from sqlstab.maths.solve import Alignment
    from sqlstab.saved import Shape
    from sqlstab.statements.sides import Side
    from sqlstab.statements.table import VectorTable

FORMAT = 2


@dataclass(frozen=True)
class Fit:
    """What the figures of an alignment are taken from.

    Attributes:
        sums: Over all shared anchors.
        alignment: The orthogonal solution.
        agreement: That of held-out ids.
        anchors: How many shared ids take part.
        sides: The sides that are anchors.
        plain_rows_cost: How much higher the mean cosine would be with rows of length one; None
            where they have it.
    """

    sums: SharedSums
    alignment: Alignment
    agreement: Agreement
    anchors: int
    sides: tuple[Side, ...]
    plain_rows_cost: float | None


@dataclass(frozen=True)
class Figure:
    """One figure.

    Attributes:
        name: Its key in `run.json`.
        kind: What it must be there, as `saved.check` takes it.
        words: Its name for people.
        of: Takes it from a fit.
    """

    name: str
    kind: Shape
    words: str
    of: Callable[[Fit], Any]


ALIGNMENT: tuple[Figure, ...] = (
    Figure("sides", [str], "aligned on", lambda fit: list(fit.sides)),
    Figure("verdict", str, "verdict", lambda fit: fit.agreement.verdict),
    Figure("reason", str, "why", lambda fit: fit.agreement.reason),
    Figure(
        "agreement",
        (None, float),
        "agreement of held-out ids above chance",
        lambda fit: fit.agreement.value,
    ),
    Figure("held_out", (None, float), "cosine of held-out ids", lambda fit: fit.agreement.held_out),
    Figure("chance", (None, float), "cosine of shuffled ids", lambda fit: fit.agreement.chance),
    Figure("anchors", int, "ids that it rests on", lambda fit: fit.anchors),
    Figure("unit_rows", bool, "rows of unit length", lambda fit: fit.plain_rows_cost is None),
    Figure(
        "plain_rows_cost",
        (None, float),
        "cosine that unit rows would gain",
        lambda fit: fit.plain_rows_cost,
    ),
    Figure("relative_residual", float, "residual", lambda fit: quality.relative_residual(fit.sums)),
    Figure(
        "linear_residual",
        (None, float),
        "residual, linear map",
        lambda fit: quality.linear_residual(fit.sums),
    ),
    Figure("bound", float, "residual, upper bound", lambda fit: quality.residual_bound(fit.sums)),
    Figure("cka", float, "CKA", lambda fit: quality.linear_cka(fit.sums)),
    Figure(
        "determinant",
        (None, float),
        "determinant, -1 with a reflection",
        lambda fit: fit.alignment.determinant,
    ),
    Figure("ambiguous", int, "ambiguous directions", lambda fit: fit.alignment.ambiguous),
)

# Of an input, of its sums, and gates: words where a name is not plain enough.
WORDS: Mapping[str, str] = {
    "relation": "table",
    "id": "id column",
    "id_type": "type of the id",
    "vector": "vector columns",
    "element": "type of a component",
    "vector_type": "type of the vector",
    "fields": "fields of the vector column",
    "keep": "columns copied",
    "condition": "condition number",
    "accuracy": "rounding error",
    "passes": "scans for its sums",
    "summed": "rows summed",
    "left_out": "rows left out",
    "min_agreement": "agreement, at least",
    "min_shared_ids": "shared ids, at least",
    **{figure.name: figure.words for figure in ALIGNMENT},
}


def word(name: str) -> str:
    """Return what to call a figure or a setting; the names of most are words already."""
    return WORDS.get(name, name.replace("_", " "))


def of_fit(fit: Fit) -> dict[str, Any]:
    """Return the figures of an alignment, as `run.json` holds them."""
    return {figure.name: figure.of(fit) for figure in ALIGNMENT}


def described(table: VectorTable) -> dict[str, Any]:
    """Return a table and its columns, as `run.json` holds them."""
    return {
        "relation": table.relation,
        "id": one_or_several([column.name for column in table.ids]),
        "id_type": one_or_several([column.type for column in table.ids]),
        "layout": table.layout,
        "vector": list(table.vector),
        "element": table.element,
        "filter": table.filter,
        "weight": table.weight,
        "anchor_filter": table.anchor_filter,
        "keep": [column.name for column in table.keep],
        "first": table.first,
        "vector_type": table.vector_type,
        "fields": list(table.fields),
    }


def one_or_several(texts: list[str]) -> str | list[str]:
    """Return texts as a user writes them in a project file: a single one stands alone."""
    return texts[0] if len(texts) == 1 else texts


def several(texts: str | list[str]) -> list[str]:
    """Return the texts that `one_or_several` was given."""
    return [texts] if isinstance(texts, str) else texts


def counts(checked: Checked) -> dict[str, Any]:
    """Return how many rows of a table take part, and why others do not."""
    found = asdict(checked)
    names = ("rows", "dimension", "summed", "zeros", "left_out", "problems")
    return {name: found[name] for name in names}


_TABLE = {
    **dict.fromkeys(("relation", "layout", "element"), str),
    **dict.fromkeys(("id", "id_type"), ([str], str)),
    **dict.fromkeys(("filter", "weight", "anchor_filter"), (None, str)),
    "vector": [str],
    "keep": [str],
    "first": int,
    "vector_type": str,
    "fields": [str],
}
_COUNTS = {
    **dict.fromkeys(("rows", "dimension", "left_out", "summed"), int),
    "problems": {...: int},
}
_SIDE = {
    **_COUNTS,
    "zeros?": int,
    "fingerprint?": (None, [float]),
    "rank?": int,
    "passes?": int,
    "condition?": float,
    "accuracy?": float,
}
_COSINES = (None, dict.fromkeys(("mean", "p10", "median"), float))
_COSINE = {"rows": int, "before": _COSINES, "after": _COSINES, "strangers?": int, "stale?": int}
_EXAMPLES = {"zeros": {...: str}, "strangers": {...: [str]}, "unshared": {...: [(None, str)]}}


def shape(sides: Collection[str]) -> Shape:
    """Return what `run.json` must hold of a run with these sides, as `saved.check` takes it."""
    of_each: dict[Any, Any] = {**dict.fromkeys(sides, _SIDE), ...: _SIDE}
    found: dict[Any, Any] = {
        **dict.fromkeys(("sqlstab", "key", "column", "created", "engine", "strategy", "map"), str),
        **dict.fromkeys(("axes?", "newest?"), (None, str)),
        **dict.fromkeys(("dimension", "raw_dimension", "rank"), int),
        "created_by": (None, str),
        "options": dict,
        "versions": {...: (None, str)},
        "inputs": {**dict.fromkeys(sides, _TABLE), ...: _TABLE},
        "tables": of_each,
        "like": {...: str},
        "invertible": {...: bool},
        "singular_values": (None, [float]),
        "reference": (
            None,
            {"align": str, "run": str, "runs": {...: float}, "dimension": int},
        ),
        "alignment": (None, {figure.name: figure.kind for figure in ALIGNMENT}),
        "shared": {...: int},
        "cosine": (None, {...: _COSINE}),
        "examples?": _EXAMPLES,
        "neighbours_kept?": (None, float),
        "gates": (None, {...: {"wanted": float, "found": (None, float), "passed": bool}}),
        "scores": {
            "identity_error": float,
            "max_relative_error": (None, float),
            "also?": {...: (None, float)},
        },
        "outputs": (None, {...: _TABLE}),
        "warnings": [str],
        "timings": {...: float},
        "digests?": {...: str},
    }
    return found


def check(figures: Mapping[str, Any]) -> None:
    """Raise unless figures have their shape, and are of the same tables throughout.

    Raises:
        ValueError: They have not; the message says where.
    """
    saved.check(figures.get("inputs"), dict, "inputs")
    sides = sides_of(figures)
    saved.check(figures, shape(sides))
    for name, side in figures["like"].items():
        if side not in sides:
            raise ValueError(f"like.{name} is {saved.shown(side)}, not {' or '.join(sides)}")
    alignment = figures["alignment"]
    if figures["map"] not in get_args(MapKind):
        raise ValueError(f"map is {saved.shown(figures['map'])}")
    if alignment and alignment["verdict"] not in (*quality.VERDICTS, "unknown"):
        raise ValueError(f"alignment.verdict is {saved.shown(alignment['verdict'])}")
    names = {*sides, *figures["like"]}
    for part in ("inputs", "tables", "outputs"):
        known = figures[part]
        if known is not None and {*known} != names:
            raise ValueError(f"{part} is of {', '.join(known)}, not of {', '.join(sorted(names))}")
    for part in ("inputs", "outputs"):
        for name, table in (figures[part] or {}).items():
            columns, types = several(table["id"]), several(table["id_type"])
            if not columns or len(columns) != len(types):
                raise ValueError(
                    f"{part}.{name} has {len(columns)} id columns and {len(types)} types of them"
                )


def sides_of(figures: Mapping[str, Any]) -> tuple[Side, ...]:
    """Return the tables that define a run's space, from its figures."""
    return (VECTORS,) if VECTORS in figures["inputs"] else SIDES
