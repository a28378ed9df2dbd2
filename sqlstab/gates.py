"""Gates: how good an alignment must be for its outputs to take the place of earlier ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlstab.config import THRESHOLDS
from sqlstab.errors import GateError, UsageError

if TYPE_CHECKING:
    from sqlstab.config import Options


@dataclass(frozen=True)
class _Gate:
    """A figure and its threshold.

    Attributes:
        option: The field of `Options` that has the threshold.
        figure: What the figure is called in a message.
        found: The figure; None where there is none, as of ids that nobody shares.
    """

    option: str
    figure: str
    found: float | None

    def passed(self, wanted: float) -> bool:
        """Whether the figure is on the right side of the threshold."""
        if self.found is None:
            return False
        return self.found >= wanted if self.option.startswith("min_") else self.found <= wanted


def _gates(figures: dict[str, Any]) -> list[_Gate]:
    """All gates that there are, for the figures of a run with a reference."""
    alignment, cosine = figures["alignment"], figures["cosine"]
    means: dict[str, float | None] = {
        side: cosine[side]["after"]["mean"] if cosine[side]["after"] else None
        for side in alignment["weights"]
    }
    # The worst of the sides that hold the space in place; None is worse than any cosine.
    worst = min(means, key=lambda side: (means[side] is not None, means[side] or 0.0))
    return [
        _Gate("min_shared_ids", "shared ids that take part", alignment["anchors"]),
        _Gate("min_mean_cosine", f"mean cosine of the {worst}", means[worst]),
        _Gate("min_cka", "CKA", alignment["cka"]),
        _Gate("max_residual", "relative residual", alignment["relative_residual"]),
    ]


def wanted(options: Options) -> list[str]:
    """The gates that a run has to pass, as options are written."""
    return [
        f"--{name.replace('_', '-')}" for name in THRESHOLDS if getattr(options, name) is not None
    ]


def check_reference(options: Options, *, is_named: bool) -> None:
    """A run that is to pass a gate must have a reference, which is what a gate is about.

    One that was forgotten would let a new space take the place of the one that others are in.

    Raises:
        UsageError: It has none, and is not to write by force.
    """
    names = wanted(options)
    if names and not is_named and not options.force:
        raise UsageError(
            f"{' and '.join(names)} can be checked with a --reference only, and there is none. "
            "Name it; or, to begin a new space, leave the gate out, or write with --force."
        )


def _said(value: float | None) -> str:
    if value is None:
        return "unknown"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def check(figures: dict[str, Any], options: Options) -> dict[str, Any] | None:
    """Compare the figures of a run with the thresholds.

    Args:
        figures: Those of the alignment.
        options: The thresholds, and whether to go on all the same (`force`).

    Returns:
        For each threshold, by its name: `wanted`, `found`, `passed`; None where there is none, or
        no reference.

    Raises:
        GateError: A threshold is not met, and there is no `force`.
    """
    if figures["alignment"] is None:
        return None
    results: dict[str, Any] = {}
    failures = []
    for gate in _gates(figures):
        threshold = getattr(options, gate.option)
        if threshold is None:
            continue
        passed = gate.passed(threshold)
        results[gate.option] = {"wanted": threshold, "found": gate.found, "passed": passed}
        if not passed:
            option = gate.option.replace("_", "-")
            failures.append(
                f"{gate.figure}: {_said(gate.found)}, but --{option} is {_said(threshold)}"
            )
    if failures and not options.force:
        raise GateError(
            f"The alignment with run {figures['reference']['run_id']} is not good enough "
            f"({'; '.join(failures)}). Nothing was written. sqlstab compare tells more; --force "
            "writes all the same."
        )
    return results or None
