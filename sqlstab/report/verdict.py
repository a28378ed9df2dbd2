"""Whether a run worked and a space holds, in plain words."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sqlstab.errors import spelled
from sqlstab.flow.figures import word
from sqlstab.flow.findings import Finding, Level, findings
from sqlstab.maths.quality import HARDLY_AGREES, NEAREST, SCORES_KEPT
from sqlstab.space.entry import edited
from sqlstab.statements.sides import VECTORS, main_side, singular
from sqlstab.words import counted, share

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlstab.space.entry import Entry

_WORST: tuple[Level, ...] = ("bad", "doubtful", "good")

_RUN: dict[Level, str] = {
    "good": "It worked: the same {ids} stay where they were.",
    "doubtful": "It worked in part: check the marked findings before you rely on it.",
    "bad": "It did not work: do not use these vectors in place of the earlier ones.",
}
_SPACE: dict[Level, str] = {
    "good": "The space holds: the same {ids} stay where they were.",
    "doubtful": "The space holds in part: check the marked findings before you rely on it.",
    "bad": "The space does not hold: do not use vectors of all its runs together.",
}
_NEW_RUN = "A new space: there is no earlier run that this one was aligned with."
_NEW_SPACE = "A new space: it has one run, and none to compare it with."

# With fewer of a run's ids in the reference, the figures are about the smaller part of it.
_MOST_ARE_NEW = 0.5
# Shares of the neighbours of 200 ids differ by so much by accident.
_SAMPLING = 0.05
# Of the neighbours that there are above chance: with fewer, an index of the reference is of no use
# to these vectors, however bad raw ones are. A tenth is the limit of no relation in the verdict of
# an alignment too.
_FINDS_NOTHING = 0.1
# Runs that a finding has room for.
_NAMED = 3


def of_run(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Say whether a run worked, and why.

    Args:
        figures: Those of `Measuring.run`.

    Returns:
        `level` (`good`, `doubtful` or `bad`), `headline`, and `findings`: `level`, `title` and
        `text` of each.
    """
    run = figures["run"]
    every = [*_changed(figures["changed"]), *_known(run)]
    if figures["neighbours"]:
        every += _looked_up(figures["neighbours"], main_side(run["tables"]))
    return _judged([*every, *_warnings([run])], run, _RUN, None if run["reference"] else _NEW_RUN)


def of_space(figures: Mapping[str, Any], runs: Sequence[Entry]) -> dict[str, Any]:
    """Say whether a space holds, and why; see `of_run`.

    Args:
        figures: Those of `Measuring.space`.
        runs: All runs, oldest first.
    """
    every = [*_changed(figures["changed"]), *_over_runs(runs)]
    every += [*_drift(figures["lags"]), *_late(figures["runs"])]
    every += _warnings([run.figures for run in runs])
    return _judged(every, runs[-1].figures, _SPACE, None if len(runs) > 1 else _NEW_SPACE)


def _judged(
    every: Sequence[Finding],
    run: Mapping[str, Any],
    headlines: Mapping[Level, str],
    new: str | None,
) -> dict[str, Any]:
    level = min((found.level for found in every), key=_WORST.index)
    headline = headlines[level].format(ids=" and ".join(_anchors(run)))
    return {
        "level": level,
        "headline": new if new and level == "good" else headline,
        "findings": [asdict(found) for found in every],
    }


def _anchors(run: Mapping[str, Any]) -> list[str]:
    """Return the sides that hold the space in place."""
    alignment = run["alignment"]
    return alignment["sides"] if alignment else [main_side(run["tables"])]


def _changed(changed: Mapping[str, Sequence[str]]) -> Iterator[Finding]:
    """Say which runs are not as they were written: their own figures do not show it."""
    if changed:
        texts = [edited(key, files) for key, files in list(changed.items())[-_NAMED:]]
        if len(changed) > _NAMED:
            texts.append(f"The same is true of {counted(len(changed) - _NAMED, 'further run')}.")
        texts.append("What a run found about its own vectors holds for those that it wrote.")
        yield Finding("doubtful", "Changed files", " ".join(texts))


def _known(run: Mapping[str, Any]) -> Iterator[Finding]:
    """Say what a run's own figures say of it."""
    yield from findings(run)
    yield from _neighbours_kept(run)
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
    for anchor in _anchors(run):
        if anchor in run["shared"]:
            yield _coverage(run["shared"][anchor], run["tables"][anchor]["rows"], anchor)
    if run.get("gates"):
        failed = [
            f"{word(name)} {gate['wanted']:g}"
            for name, gate in run["gates"].items()
            if not gate["passed"]
        ]
        text = f"Failed: {'; '.join(failed)}." if failed else f"All {len(run['gates'])} passed."
        yield Finding("bad" if failed else "good", "Gates", text)


def _neighbours_kept(run: Mapping[str, Any]) -> Iterator[Finding]:
    """Say of a first run what its kind of maps does to neighbours."""
    one = _one(main_side(run["tables"]))
    kept = run.get("neighbours_kept")
    if run["reference"] is None and run["map"] == "rotation":
        text = f"Rotations keep them: {one} has the same ones among raw and among stable vectors."
        yield Finding("good", "Neighbours", text)
    elif kept is not None:
        text = (
            f"Balanced maps keep {share(kept)} of the {NEAREST} nearest that {one} has among raw "
            "vectors; rotations keep all, in a space begun with sqlstab run --map rotation."
        )
        yield Finding("good", "Neighbours", text)


def _over_runs(runs: Sequence[Entry]) -> Iterator[Finding]:
    """Say of each thing that was looked at what the newest of the worst runs says."""
    said: dict[str, dict[str, Finding]] = {}
    # The newest first: what is looked at, in the order of the page on a run.
    for run in reversed(runs):
        for finding in _known(run.figures):
            known = said.setdefault(finding.title, {})
            worst = known.get(run.key, finding)
            if _WORST.index(finding.level) <= _WORST.index(worst.level):
                known[run.key] = finding
    for title, known in said.items():
        level = min((finding.level for finding in known.values()), key=_WORST.index)
        marked = [(key, finding) for key, finding in known.items() if finding.level == level]
        key, finding = marked[0]
        where = ""
        if len(known) > 1 and level == "good":
            where = f"Fine in {len(known):,} runs. The last of them, {key}: "
        elif len(known) > 1:
            last = key if len(marked) == 1 else f"the last {key}"
            where = f"Marked in {len(marked):,} of {len(known):,} runs, {last}: "
        elif len(runs) > 1:
            where = f"{key}: "
        yield Finding(level, title, f"{where}{finding.text}")


def _drift(lags: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[Finding]:
    """Say how far the newest run agrees with earlier ones."""
    for side, found in lags.items():
        known = [lag for lag in found if lag["stable"] is not None]
        if not known:
            continue
        stable = _spoken([f"{lag['stable']:.2f} with {_ago(lag['lag'])}" for lag in known])
        text = f"Mean cosine of the same {singular(side)} in the newest run: {stable}"
        raw = [f"{lag['raw']:.2f}" for lag in known if lag["raw"] is not None]
        text += f"; of raw vectors {_spoken(raw)}." if len(raw) == len(known) else "."
        far = [lag for lag in known if lag["stable"] < HARDLY_AGREES]
        if far:
            text += (
                f" The {side} hardly agree with those of {far[0]['run']}: retrain models that "
                "learnt from vectors that old."
            )
        yield Finding("doubtful" if far else "good", f"Drift of {side}", text)


def _ago(lag: int) -> str:
    return "the run before" if lag == 1 else f"that {lag} runs earlier"


def _spoken(texts: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(texts[:-1]), texts[-1]]))


def _late(runs: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """Say which runs were made late: no fault, for later ones hold by themselves."""
    late = [f"{run['name']} after {run['made_after']}" for run in runs if run["made_after"]]
    if late:
        verb = "was" if len(late) == 1 else "were"
        text = (
            f"{counted(len(late), 'run')} {verb} made after a later one, which did not see it: "
            f"{', '.join(late[-_NAMED:])}{' and others' if len(late) > _NAMED else ''}."
        )
        yield Finding("good", "Late runs", text)


def _warnings(runs: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """Say how many warnings there are that no finding says."""
    every = [(number, text) for number, run in enumerate(runs) for text in run["warnings"]]
    said = {
        (number, spelled(finding.text))
        for number, run in enumerate(runs)
        for finding in findings(run)
    }
    count = sum(warning not in said for warning in every)
    further = "further warning" if count < len(every) else "warning"
    gave = "The run gave" if len(runs) == 1 else "The runs gave"
    text = f"{gave} {counted(count, further)}: see below." if count else "None."
    if count or not every:
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


def _coverage(shared: int, rows: int, side: str) -> Finding:
    text = f"{shared:,} of {rows:,} {side} are in the reference."
    level: Level = "good" if rows and shared >= _MOST_ARE_NEW * rows else "doubtful"
    return Finding(level, f"Known {side}", text)
