"""Gates: how good an alignment must be for a run to be written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlstab.errors import GateError
from sqlstab.flow import findings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlstab.options import Options
    from sqlstab.progress import Log

# The option of a threshold -> the figure that must reach it, and its words.
GATES = {
    "min_agreement": ("agreement", "agreement of held-out ids"),
    "min_shared_ids": ("anchors", "shared ids that take part"),
}


def unchecked(options: Options, log: Log) -> None:
    """Tell that thresholds are not checked: a first run has nothing to be compared with.

    That is as it should be in a new space, so the figures do not keep it as a warning.
    """
    wanted = [f"--{name.replace('_', '-')}" for name in GATES if getattr(options, name) is not None]
    if wanted:
        verb = "is" if len(wanted) == 1 else "are"
        log.tell(
            f"There is no run before it to align with, so {' and '.join(wanted)} {verb} not "
            "checked. Is it the right space?"
        )


def check(figures: Mapping[str, Any], options: Options, log: Log) -> dict[str, Any] | None:
    """Compare the figures of a run that was aligned with the thresholds.

    Whoever asks for an agreement does not want a table that hardly agrees, also if none of its rows
    took part in the alignment: it may be of another training.

    Args:
        figures: What `run.json` holds.
        options: The thresholds, and whether to go on all the same (`force`).
        log: Records what `force` has written.

    Returns:
        For each threshold, by its name: `wanted`, `found`, `passed`; None where there is none.

    Raises:
        GateError: A threshold is not met or the verdict is `unrelated`, and there is no `force`.
    """
    alignment, reference = figures["alignment"], figures["reference"]["run"]
    far = findings.far(figures)
    results: dict[str, Any] = {}
    failures = []
    for option, (figure, words) in GATES.items():
        threshold = getattr(options, option)
        if threshold is None:
            continue
        found = alignment[figure]
        passed = found is not None and found >= threshold
        results[option] = {"wanted": threshold, "found": found, "passed": passed}
        if not passed:
            said = "unknown" if found is None else f"{found:,.4g}"
            failures.append(
                f"{words}: {said}, but --{option.replace('_', '-')} is {threshold:,.4g}"
            )
        elif option == "min_agreement" and far:
            results[option]["passed"] = False
            failures.append(f"the {' and '.join(far)} hardly agree with those of {reference}")
    if alignment["verdict"] == "unrelated":
        failures.insert(0, f"unrelated: {alignment['reason'].rstrip('.')}")
    if not failures:
        return results or None
    if not options.force:
        raise GateError(
            f"The alignment with run {reference} is not good enough ({'; '.join(failures)}). "
            "Nothing was written. sqlstab compare shows details; --force=true writes anyway."
        )
    log.warn(f"Written by force although a gate has failed: {'; '.join(failures)}.")
    return results or None
