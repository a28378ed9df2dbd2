"""What the figures of a run say, in words: its warnings, and what a report answers.

Each finding is a function of `run.json` alone, so that a run, a comparison and a report say the
same of the same figures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sqlstab.maths import quality
from sqlstab.statements.sides import singular

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Level = Literal["good", "doubtful", "bad"]

# From this share of a table on, vectors of zeros are more than a few that were not trained.
_ZEROS = 0.01
# Raw vectors that agree better by this than stable ones were better left where they are.
_FROZEN = 0.01
# Of the rows of the earlier run: a table of fewer is doubtful.
_FEWER = 0.5
# What rows of unit length must gain, as a mean cosine, to be worth a word.
_PLAIN_ROWS = 0.05
_LEVELS: dict[str, Level] = {"alignable": "good", "doubtful": "doubtful", "unrelated": "bad"}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        level: Whether it is as it should be.
        title: What it is.
        text: What was found, in sentences that stand by themselves.
    """

    level: Level
    title: str
    text: str


def findings(figures: Mapping[str, Any]) -> Iterator[Finding]:
    """Say what is known of the vectors and of the alignment.

    Args:
        figures: What `run.json` holds; of `examples` as much as there is.
    """
    examples = figures.get("examples") or {}
    for side, table in figures["tables"].items():
        yield from zeros(side, table, examples.get("zeros", {}).get(side))
    for side, cosine in (figures["cosine"] or {}).items():
        yield from _place(figures, side, cosine)
        yield from _strangers(figures, side, cosine, examples.get("strangers", {}).get(side))
    for side, shared in figures["shared"].items():
        if not shared:
            yield _unshared(side, examples.get("unshared", {}).get(side))
    yield from _fewer(figures)
    yield from _unchanged(figures)
    yield from _stale(figures)
    alignment = figures["alignment"]
    # A run that a script of SQL made is judged by nothing.
    if not alignment or alignment["verdict"] not in _LEVELS:
        return
    level, reason = _LEVELS[alignment["verdict"]], alignment["reason"]
    judged = "" if level == "good" else f"The alignment is {alignment['verdict']}. "
    yield Finding(level, "Held-out ids", f"{judged}{reason}")
    cost = alignment.get("plain_rows_cost")
    if cost is not None and cost > _PLAIN_ROWS:
        text = (
            f"A few long rows decide the alignment: with rows of unit length the mean cosine of "
            f"the same id would be {cost:.2f} higher. Align on rows of unit length."
        )
        yield Finding("doubtful", "Plain rows", text)


def zeros(side: str, table: Mapping[str, Any], example: str | None) -> Iterator[Finding]:
    """Say how many vectors of a table are zeros, if these are more than a few."""
    count, rows = table.get("zeros", 0), table["rows"]
    if has_many_zeros(table):
        shown = f", for example of id {example}" if example is not None else ""
        text = (
            f"{count:,} of {rows:,} {side} are vectors of zeros{shown}: they have no direction "
            "to align. Were they trained?"
        )
        yield Finding("doubtful", f"Zero {side}", text)


def has_many_zeros(table: Mapping[str, Any]) -> bool:
    """Return whether so many vectors are zeros that it must be said."""
    return bool(table.get("zeros", 0) > _ZEROS * table["rows"])


def far(figures: Mapping[str, Any]) -> list[str]:
    """List the tables that hardly agree with the earlier run."""
    cosines = {side: c["after"]["mean"] for side, c in figures["cosine"].items() if c["after"]}
    return [side for side, mean in cosines.items() if mean < quality.HARDLY_AGREES]


def _place(figures: Mapping[str, Any], side: str, cosine: Mapping[str, Any]) -> Iterator[Finding]:
    """Say whether the same ids are where they were."""
    title, after, before = f"Same {side}", cosine["after"], cosine["before"]
    is_anchor = side in figures["alignment"]["sides"]
    if after is None:
        if figures["shared"].get(side):
            text = (
                f"The {side} that both have are vectors of zeros, or so long or short that their "
                "squares are no numbers."
            )
            yield Finding("doubtful", title, text)
        return
    raw = f"; of raw vectors {before['mean']:.2f}" if before else ""
    found = (
        f"Mean cosine of the same {singular(side)} in the earlier run: {after['mean']:.2f}{raw}."
    )
    if after["mean"] < quality.HARDLY_AGREES:
        level: Level = "bad" if is_anchor else "doubtful"
        doubt = ""
        anchors = figures["alignment"]["sides"]
        if not set(far(figures)) & set(anchors):
            doubt = (
                f" The {side} hardly agree, though {' and '.join(anchors)} "
                f"do: are all tables of the same training, and do ids of {side} mean the same in "
                "both runs?"
            )
        yield Finding(level, title, f"{found}{doubt}")
    elif before and before["mean"] > after["mean"] + _FROZEN:
        text = (
            f"Raw {side} agree with those of the earlier run (mean cosine {before['mean']:.2f}) "
            f"better than stable ones ({after['mean']:.2f}): they were hardly retrained, and "
            "balancing moves them. A new space begun with sqlstab run --map rotation keeps them."
        )
        yield Finding("doubtful", title, text)
    else:
        yield Finding("good", title, found)


def _fewer(figures: Mapping[str, Any]) -> Iterator[Finding]:
    """Say which tables have far fewer rows than the earlier run: they may be loaded in part."""
    reference = figures["reference"] or {}
    for side, before in reference.get("rows", {}).items():
        rows = figures["tables"].get(side, {}).get("rows", before)
        if rows < _FEWER * before:
            text = (
                f"There are {rows:,} {side}, where {reference['run']} has {before:,}: is the table "
                "loaded in full?"
            )
            yield Finding("doubtful", f"Fewer {side}", text)


def _unchanged(figures: Mapping[str, Any]) -> Iterator[Finding]:
    """Say whether the vectors are those of the earlier run."""
    before = [cosine["before"] for cosine in (figures["cosine"] or {}).values()]
    earlier = (figures["reference"] or {}).get("run")
    # A first run that is done again is aligned with itself.
    if not before or earlier in (None, figures.get("key")):
        return
    if all(raw and raw["mean"] >= quality.SAME.level for raw in before):
        text = f"The vectors are those of {earlier}, unchanged: are they the new ones?"
        yield Finding("doubtful", "Same vectors", text)


def _stale(figures: Mapping[str, Any]) -> Iterator[Finding]:
    """Say which tables are in part those of the earlier run."""
    earlier = (figures["reference"] or {}).get("run")
    for side, cosine in (figures["cosine"] or {}).items():
        # A first run that is done again is aligned with itself.
        if cosine.get("stale") and earlier != figures.get("key"):
            text = (
                f"{cosine['stale'] / cosine['rows']:.0%} of the shared {side} have the vectors of "
                f"{earlier}, unchanged, while the others are elsewhere: was the table refreshed in "
                "part, or were these not trained?"
            )
            yield Finding("doubtful", f"Stale {side}", text)


def _strangers(
    figures: Mapping[str, Any], side: str, cosine: Mapping[str, Any], examples: list[str] | None
) -> Iterator[Finding]:
    """Say how many ids seem to mean something else than before."""
    after = cosine["after"]
    if not (cosine.get("strangers") and after and after["mean"] >= quality.HARDLY_AGREES):
        return
    shared = figures["shared"][side]
    count = round(cosine["strangers"] / cosine["rows"] * shared)
    shown = f" (the least alike: {', '.join(examples)})" if examples else ""
    text = (
        f"About {count:,} of {shared:,} shared {side} seem to mean something else than in the "
        f"earlier run{shown}: their vectors agree only by chance, unlike the others. Were their "
        "ids reassigned, or were they hardly trained?"
    )
    yield Finding("doubtful", f"Ids of {side}", text)


def _unshared(side: str, examples: list[str | None] | None) -> Finding:
    shown = ""
    if examples:
        here, there = examples
        shown = " That has none."
        if there is not None:
            shown = (
                f" Ids of this run are such as {here!r}, those of the earlier run {there!r}: do "
                "both have the same form?"
            )
    text = f"No {singular(side)} of this run is in the earlier run.{shown}"
    return Finding("doubtful", f"Same {side}", text)
