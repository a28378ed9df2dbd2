"""Whether a run worked, in plain words."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from sqlstab.maths.preparation import prepared_text
from sqlstab.maths.quality import HARDLY_AGREES, SCORES_KEPT
from sqlstab.report.measure import main_side
from sqlstab.spelling import spelled
from sqlstab.statements.table import singular
from sqlstab.words import share, word

if TYPE_CHECKING:
    from collections.abc import Iterator

Level = Literal["good", "doubtful", "bad"]
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
# to these vectors, however bad raw ones are. In `compare` a tenth is the limit of no relation too.
_FINDS_NOTHING = 0.1


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        level: Whether it is as it should be.
        title: What it is.
        text: What was found.
    """

    level: Level
    title: str
    text: str


def verdict(figures: dict[str, Any]) -> dict[str, Any]:
    """Whether the run worked, and why.

    Args:
        figures: Those of `Measuring`.

    Returns:
        `level` (`good`, `doubtful` or `bad`), `headline`, and `findings`: `level`, `title` and
        `text` of each.
    """
    findings = list(_findings(figures))
    space = _space(figures, [found.level for found in findings])
    if space:
        findings.insert(0, space)
    level = min((found.level for found in findings), key=_WORST.index)
    headline = _HEADLINES[level].format(ids=" and ".join(_anchors(figures)))
    if level == "good" and not _is_aligned(figures):
        headline = _NEW
    if space:
        headline = space.text
    return {
        "level": level,
        "headline": headline,
        "findings": [asdict(found) for found in findings],
    }


def _space(figures: dict[str, Any], levels: list[Level]) -> Finding | None:
    """What is to be said first of a run in another space than its reference."""
    run, reference, space = figures["run"], figures["reference"], figures["space"]
    bad = "bad" in levels
    if not space or space["same"] or (space["same"] is None and not bad):
        return None
    name, other = run["name"], reference["name"]
    if space["run"] == run["run_id"] and space["same"] is None:
        found = f"{name} began a space of its own, and nothing shows that {other} is in it"
    elif space["run"] == run["run_id"]:
        found = f"{name} began a space of its own and was not aligned with {other}"
    elif space["same"] is None:
        aligned_with = space["aligned_with"]
        found = (
            f"{name} was aligned with run {aligned_with}, which need not be in the space of {other}"
        )
    else:
        found = f"{name} is in another space than {other} and was not aligned with it"
    remedy = spelled(f"run it again with --reference {other}")
    # Vectors that agree all the same do so by luck.
    return Finding("bad" if bad else "doubtful", "Space", f"{found}; {remedy}.")


def _is_aligned(figures: dict[str, Any]) -> bool:
    return bool(figures["sides"] or figures["run"]["cosine"])


def _anchors(figures: dict[str, Any]) -> list[str]:
    """The sides that hold the space in place."""
    alignment = figures["run"]["alignment"]
    return list(alignment["weights"]) if alignment else [main_side(figures["run"]["inputs"])]


def _findings(figures: dict[str, Any]) -> Iterator[Finding]:
    run = figures["run"]
    for side in run["inputs"]:
        if _is_aligned(figures):
            yield _same_place(figures, side)
    if figures["comparison"]:
        comparison = figures["comparison"]
        level: dict[str, Level] = {"alignable": "good", "doubtful": "doubtful", "unrelated": "bad"}
        yield Finding(level[comparison["verdict"]], "Held-out ids", comparison["reason"])
    if figures["neighbours"]:
        yield from _looked_up(figures["neighbours"], main_side(run["inputs"]))
    what, of_all = ("dot product", "dot_products") if "dot_products" in run else ("score", "scores")
    error = run[of_all]["max_relative_error"]
    if error is not None:
        kept = error <= SCORES_KEPT
        prepared = prepared_text(run["options"])
        first = (
            f"The vectors were {prepared} first, which changed dot products. " if prepared else ""
        )
        since = " from there on" if prepared else ""
        found = f": the largest difference is {error:.0e} of the largest {what}" if error else ""
        cost = f", by up to {share(error)} of the largest"
        text = (
            f"{first}No {what} changed{since}{found}."
            if kept
            else f"{first}{what.capitalize()}s changed{since}{cost}."
        )
        yield Finding("good" if kept else "doubtful", f"{what.capitalize()}s", text)
    for name, error in run[of_all].get("also", {}).items():
        if error is not None and error > SCORES_KEPT:
            text = f"They changed, by up to {share(error)} of the largest."
            yield Finding("doubtful", f"Scores of {name}", text)
    if figures["sides"]:
        for anchor in _anchors(figures):
            yield _coverage(figures["sides"][anchor], anchor)
    if run.get("gates"):
        failed = [
            f"{word(name)} {gate['wanted']:g}"
            for name, gate in run["gates"].items()
            if not gate["passed"]
        ]
        text = f"Failed: {'; '.join(failed)}." if failed else f"All {len(run['gates'])} passed."
        yield Finding("bad" if failed else "good", "Gates", text)
    count = len(run["warnings"])
    text = f"The run gave {count}: see below." if count else "None."
    yield Finding("doubtful" if count else "good", "Warnings", text)


def _same_place(figures: dict[str, Any], side: str) -> Finding:
    found = {**(figures["run"]["cosine"] or {}), **(figures["sides"] or {})}.get(side)
    title = f"Same {side}"
    if not found:
        text = f"The reference has no table of {side} to compare these with."
        return Finding("good", title, text)
    if not found["after"]:
        level: Level = "doubtful" if side in _anchors(figures) else "good"
        return Finding(level, title, f"No {singular(side)} of this run is in the reference.")
    after = found["after"]["mean"]
    if after is None:
        return Finding("doubtful", title, "Those that are shared are zero vectors.")
    before = found["before"]["mean"] if found["before"] else None
    was = "" if before is None else f"; raw vectors {before:.2f}"
    text = f"Cosine to the reference {after:.2f} on average{was}."
    level = "good"
    if after < HARDLY_AGREES:
        level = "bad" if side in _anchors(figures) else "doubtful"
    return Finding(level, title, text)


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
