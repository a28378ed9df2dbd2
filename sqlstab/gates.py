"""Gates: how good an alignment must be for its outputs to take the place of earlier ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlstab.errors import GateError

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
        wanted = getattr(options, gate.option)
        if wanted is None:
            continue
        passed = gate.passed(wanted)
        results[gate.option] = {"wanted": wanted, "found": gate.found, "passed": passed}
        if not passed:
            found = "unknown" if gate.found is None else f"{gate.found:.4g}"
            option = gate.option.replace("_", "-")
            failures.append(f"{gate.figure}: {found}, but --{option} is {wanted:g}")
    if failures and not options.force:
        raise GateError(
            f"The alignment with run {figures['reference']['run_id']} is not good enough "
            f"({'; '.join(failures)}). Nothing was written. sqlstab compare tells more; --force "
            "writes all the same."
        )
    return results or None
