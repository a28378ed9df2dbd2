"""A small table that answers of a run: did it work?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlstab.words import counted, share

if TYPE_CHECKING:
    from collections.abc import Mapping

# FLOAT vectors keep scores to 1e-6; more than this is the doing of a requested rank.
_KEPT = 1e-5
# Runs of the reference that a line has room for.
_NAMED = 3


def summary(figures: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the rows of the table, each with its name.

    Args:
        figures: What `run.json` holds.
    """
    rows = [(side, _size(figures, side)) for side in figures["tables"]]
    rows.append(("run", f"{figures['key']}, made {when(figures)}"))
    rows.append(("aligned with", _reference(figures)))
    alignment, cosines = figures["alignment"], figures["cosine"] or {}
    if alignment:
        value = alignment["agreement"]
        found = "" if value is None else f"{value:.3f}, "
        rows.append(("agreement", f"{found}{alignment['verdict']}"))
    if any(cosine["after"] for cosine in cosines.values()):
        rows.append(("cosine", "of the same id in the newest of these runs, mean"))
        rows += [(f"  {side}", _cosine(cosine)) for side, cosine in cosines.items()]
    kept = figures.get("neighbours_kept")
    if kept is not None:
        said = f"{share(kept)} of an item's ten nearest items stay; with --map rotation all"
        rows.append(("neighbours", said))
    wanted, rank = figures["options"].get("rank"), figures["rank"]
    if wanted and wanted > rank:
        rows.append(("rank", f"{wanted:,} were asked for; {rank:,} are all"))
    scores = figures["scores"]
    name = "dot products" if "vectors" in figures["tables"] else "scores"
    errors = {name: scores["max_relative_error"]}
    errors |= {f"  of {side}": error for side, error in scores.get("also", {}).items()}
    rows += [(name, _kept(error)) for name, error in errors.items() if error is not None]
    if figures["options"].get("maps_only"):
        rows.append(("written", "maps only"))
    outputs = figures["outputs"] or {}
    rows += [
        ("" if number else "written", output["relation"])
        for number, output in enumerate(outputs.values())
    ]
    if figures["warnings"]:
        rows.append(("warnings", counted(len(figures["warnings"]), "warning")))
    # What a script has written has no timings.
    if "total" in figures["timings"]:
        rows.append(("took", f"{figures['timings']['total']:.1f} s"))
    return rows


def when(figures: Mapping[str, Any]) -> str:
    """Return when a run was made, to the minute."""
    return f"{str(figures['created'])[:16].replace('T', ' ')} UTC"


def _size(figures: Mapping[str, Any], side: str) -> str:
    of = figures["tables"][side]
    text = f"{of['rows']:,} x {of['dimension']}"
    if of.get("zeros"):
        text += f", {of['zeros']:,} zero"
    if of["left_out"]:
        text += f", {of['left_out']:,} left out"
    if side in figures["shared"]:
        text += f", {figures['shared'][side]:,} shared with the reference"
    return text


def _reference(figures: Mapping[str, Any]) -> str:
    """Name the runs of the reference, the newest first."""
    reference = figures["reference"]
    if not reference:
        return "no earlier run: this one defines the space"
    runs = [f"{key} ({weight:.2g})" for key, weight in reversed(reference["runs"].items())]
    more = len(runs) - _NAMED
    others = f" and {more} more" if more > 0 else ""
    sides = " and ".join(figures["alignment"]["sides"])
    return f"{', '.join(runs[:_NAMED])}{others}, on {sides}"


def _cosine(figures: Mapping[str, Any]) -> str:
    before, after = figures["before"], figures["after"]
    if after is None:
        return "no shared ids"
    raw = f"{before['mean']:.3f}" if before else "unknown"
    return f"{raw} before -> {after['mean']:.3f} after"


def _kept(error: float) -> str:
    if error > _KEPT:
        return f"changed, by up to {share(error)} of the largest"
    return "kept, exactly" if error == 0 else f"kept, to {error:.0e} of the largest"
