"""Whether a run worked, in plain words."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sqlstab.errors import spelled
from sqlstab.flow.figures import word
from sqlstab.flow.findings import Finding, Level, findings
from sqlstab.maths.quality import SCORES_KEPT
from sqlstab.statements.sides import VECTORS, main_side, singular
from sqlstab.words import counted, share

if TYPE_CHECKING:
    from collections.abc import Iterator

_WORST: tuple[Level, ...] = ("bad", "doubtful", "good")

_HEADLINES: dict[Level, str] = {
    "good": "It worked: the same {ids} stay where they were.",
    "doubtful": "It worked in part: look at what is marked before you rely on it.",
    "bad": "It did not work: do not use these vectors in place of the earlier ones.",
}
_NEW = "A new space: there is no earlier run that this one was aligned with."

# With fewer of a run's ids in the reference, the figures are about the smaller part of it.
_MOST_ARE_NEW = 0.5
# Shares of the neighbours of 200 ids differ by so much by accident.
_SAMPLING = 0.05
# Of the neighbours that there are above chance: with fewer, an index of the reference is of no use
# to these vectors, however bad raw ones are. A tenth is the limit of no relation in the verdict of
# an alignment too.
_FINDS_NOTHING = 0.1


def verdict(figures: dict[str, Any]) -> dict[str, Any]:
    """Say whether the run worked, and why.

    Args:
        figures: Those of `Measuring`.

    Returns:
        `level` (`good`, `doubtful` or `bad`), `headline`, and `findings`: `level`, `title` and
        `text` of each.
    """
    every = list(_findings(figures))
    level = min((found.level for found in every), key=_WORST.index)
    headline = _HEADLINES[level].format(ids=" and ".join(_anchors(figures)))
    if level == "good" and not _is_aligned(figures):
        headline = _NEW
    return {
        "level": level,
        "headline": headline,
        "findings": [asdict(found) for found in every],
    }


def _is_aligned(figures: dict[str, Any]) -> bool:
    return bool(figures["run"]["reference"])


def _anchors(figures: dict[str, Any]) -> list[str]:
    """Return the sides that hold the space in place."""
    alignment = figures["run"]["alignment"]
    return alignment["sides"] if alignment else [main_side(figures["run"]["tables"])]


def _findings(figures: dict[str, Any]) -> Iterator[Finding]:
    run = figures["run"]
    found = list(findings(run))
    yield from found
    if figures["neighbours"]:
        yield from _looked_up(figures["neighbours"], main_side(run["tables"]))
    what = "dot product" if VECTORS in run["tables"] else "score"
    error = run["scores"]["max_relative_error"]
    if error is not None:
        kept = error <= SCORES_KEPT
        difference = f": the largest difference is {error:.0e} of the largest {what}"
        text = (
            f"No {what} changed{difference if error else ''}."
            if kept
            else f"{what.capitalize()}s changed, by up to {share(error)} of the largest."
        )
        yield Finding("good" if kept else "doubtful", f"{what.capitalize()}s", text)
    for name, error in run["scores"].get("also", {}).items():
        if error is not None and error > SCORES_KEPT:
            text = f"They changed, by up to {share(error)} of the largest."
            yield Finding("doubtful", f"Scores of {name}", text)
    if figures["sides"]:
        for anchor in filter(figures["sides"].get, _anchors(figures)):
            yield _coverage(figures["sides"][anchor], anchor)
    if run.get("gates"):
        failed = [
            f"{word(name)} {gate['wanted']:g}"
            for name, gate in run["gates"].items()
            if not gate["passed"]
        ]
        text = f"Failed: {'; '.join(failed)}." if failed else f"All {len(run['gates'])} passed."
        yield Finding("bad" if failed else "good", "Gates", text)
    said = {spelled(finding.text) for finding in found}
    count = sum(warning not in said for warning in run["warnings"])
    further = "further warning" if count < len(run["warnings"]) else "warning"
    text = f"The run gave {counted(count, further)}: see below." if count else "None."
    if count or not run["warnings"]:
        yield Finding("doubtful" if count else "good", "Warnings", text)


def _looked_up(neighbours: dict[str, Any], side: str) -> Iterator[Finding]:
    share = neighbours["stable"]["cosine"]["looked_up"]
    if share is None:
        return
    nearest = neighbours["nearest"]
    raw = neighbours["raw"] and neighbours["raw"]["cosine"]["looked_up"]
    text = (
        f"Looked up in the reference, {_one(side)} finds {share * nearest:.1f} of its {nearest} "
        "neighbours there"
    )
    text += "." if raw is None else f"; with raw vectors {raw * nearest:.1f}."
    # No alignment can do much better than the model itself.
    own = neighbours["stable"]["cosine"]["both"]
    text += f" {own * nearest:.1f} are its neighbours in both runs."
    worse = raw is not None and share < raw - _SAMPLING
    by_chance = nearest / max(neighbours["among"] - 1, 1)
    nothing = by_chance < 1 and (share - by_chance) / (1 - by_chance) < _FINDS_NOTHING
    yield Finding("doubtful" if worse or nothing else "good", "Index", text)


def _one(side: str) -> str:
    word = singular(side)
    return f"{'an' if word[0] in 'aeio' else 'a'} {word}"


def _coverage(side_figures: dict[str, Any], side: str) -> Finding:
    shared, rows = side_figures["shared"], side_figures["run"]
    text = f"{shared:,} of {rows:,} {side} are in the reference."
    level: Level = "good" if rows and shared >= _MOST_ARE_NEW * rows else "doubtful"
    return Finding(level, f"Known {side}", text)
