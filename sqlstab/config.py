"""The options of a run, and what they may be."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

from sqlstab.errors import UsageError
from sqlstab.maths.preparation import PREPARING
from sqlstab.statements.table import LAYOUTS, SIDES, VECTORS, Layout, Side

Refine = Literal["auto", "always", "never"]
Strategy = Literal["auto", "sql", "arrow"]
SolverName = Literal["python", "sql"]
OnInvalid = Literal["error", "drop"]
OutputType = Literal["float", "double"]

REFINE: tuple[Refine, ...] = get_args(Refine)
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
SOLVERS: tuple[SolverName, ...] = get_args(SolverName)
ON_INVALID: tuple[OnInvalid, ...] = get_args(OnInvalid)
OUTPUT_TYPES: tuple[OutputType, ...] = get_args(OutputType)


# The thresholds of gates, and what they can be.
THRESHOLDS = {
    "min_shared_ids": (1, float("inf")),
    "min_mean_cosine": (-1, 1),
    "min_cka": (0, 1),
    "max_residual": (0, float("inf")),
}


@dataclass(frozen=True)
class Options:
    """How a run is done.

    Attributes:
        anchor: What is aligned with the reference: `items`, `users`, `both`, or a weight for each
            side, as in `{"items": 1.0, "users": 0.1}`. Vectors without a second side have no
            choice.
        cosine: Give the anchors' rows length one before aligning, so that the direction of a vector
            counts and its length does not.
        center: Subtract the mean of the rows from each vector first: for vectors without a second
            side. Dot products and cosines are then those of centred vectors.
        normalize: Give each vector length one first, after its mean was subtracted if that is
            asked: for vectors without a second side. Lengths are lost.
        rank: Keep at most so many dimensions; scores are then approximate. None keeps all.
        refine: A second scan that restores the accuracy which a Gram matrix loses where a table's
            columns are nearly dependent: `auto` where it matters, `always`, or `never`.
        strategy: `sql` computes everything in SQL, `arrow` streams rows through BLAS in this
            process; `auto` takes `arrow` where the engine is in this process.
        solver: Where the small matrices are solved: `python`, here, or `sql`, by statements that
            the engine runs; these take one pass over the rows, and refuse what that does not tell.
        on_invalid: What to do about NULL ids, duplicate ids and broken vectors: stop with an
            `error`, or `drop` those rows (of a duplicate id, all) and say how many.
        output_layout: `wide`, `array` or `long`; None keeps each table's own.
        output_type: `float` or `double`; None keeps each table's own.
        sample: Fit on such a share of the rows only, as in `5%` or `0.05`, chosen by a hash of the
            id; all rows are written, and scores stay exact.
        partition_by: A column that both tables are partitioned by. One Gram matrix for each
            partition is kept in `grams`, and later runs scan only partitions that are new or have
            changed.
        partition_version: A column that grows when rows of a partition change, such as a time of
            loading. Without it a partition has changed when its number of rows has.
        grams: Where the Gram matrices of partitions are kept: a table, on files a Parquet file.
        min_shared_ids: A gate: how many shared ids must take part in the alignment at least.
            Gates are for runs with a reference; where one fails, nothing is written.
        min_mean_cosine: A gate: the mean cosine that the same id must have in the run and in the
            reference, on each side that is an anchor.
        min_cka: A gate: linear CKA of the anchors, at least.
        max_residual: A gate: the relative residual of the alignment, at most.
        force: Write although a gate fails; the run says so.
        keep_runs: With a registry: keep the tables of so many runs that others have replaced, under
            names of ours, and drop those of older ones. 0 keeps none, and drops none either.
    """

    anchor: str | Mapping[str, float] = "items"
    cosine: bool = False
    center: bool = False
    normalize: bool = False
    rank: int | None = None
    refine: Refine = "auto"
    strategy: Strategy = "auto"
    solver: SolverName = "python"
    on_invalid: OnInvalid = "error"
    output_layout: Layout | None = None
    output_type: OutputType | None = None
    sample: str | float | None = None
    partition_by: str | None = None
    partition_version: str | None = None
    grams: str | None = None
    min_shared_ids: int | None = None
    min_mean_cosine: float | None = None
    min_cka: float | None = None
    max_residual: float | None = None
    force: bool = False
    keep_runs: int = 0
    share: float = field(init=False)
    anchor_weights: dict[Side, float] = field(init=False)

    def __post_init__(self) -> None:
        choices: list[tuple[str, object, tuple[str, ...]]] = [
            ("refine", self.refine, REFINE),
            ("strategy", self.strategy, STRATEGIES),
            ("solver", self.solver, SOLVERS),
            ("on-invalid", self.on_invalid, ON_INVALID),
            ("output-layout", self.output_layout, LAYOUTS),
            ("output-type", self.output_type, OUTPUT_TYPES),
        ]
        for name, value, allowed in choices:
            if value is not None and value not in allowed:
                raise UsageError(f"--{name} is {value!r}; it can be {', '.join(allowed)}.")
        if self.rank is not None and (type(self.rank) is not int or self.rank < 1):
            raise UsageError(f"--rank is {self.rank!r}; it must be a whole number from 1 on.")
        if type(self.keep_runs) is not int or self.keep_runs < 0:
            raise UsageError(
                f"--keep-runs is {self.keep_runs!r}; it must be a whole number from 0 on."
            )
        for name, (least, most) in THRESHOLDS.items():
            threshold = getattr(self, name)
            # NaN is between no two numbers.
            if threshold is not None and not least <= _number(threshold) <= most:
                span = f"from {least} on" if most == float("inf") else f"from {least} to {most}"
                option = name.replace("_", "-")
                raise UsageError(f"--{option} is {threshold!r}; it must be a number {span}.")
        if self.solver == "sql" and self.refine == "always":
            raise UsageError(
                "--refine always takes a second pass, which the SQL solver knows nothing of: leave "
                "it out, or take --solver python."
            )
        if bool(self.partition_by) != bool(self.grams):
            raise UsageError("--partition-by and --grams belong together: name both or none.")
        if self.partition_version and not self.partition_by:
            raise UsageError("--partition-version is of use with --partition-by only.")
        object.__setattr__(self, "share", _share(self.sample))
        object.__setattr__(self, "anchor_weights", _anchor_weights(self.anchor))

    @property
    def prepares(self) -> bool:
        """Whether anything is done to vectors before all else."""
        return any(getattr(self, name) for name in PREPARING)

    def to_dict(self) -> dict[str, Any]:
        """All of them by name, as `run.json` holds them: a default may change one day."""
        values = {part.name: getattr(self, part.name) for part in fields(self) if part.init}
        return {
            name: dict(value) if isinstance(value, Mapping) else value
            for name, value in values.items()
        }

    def anchors_of(self, sides: Collection[Side]) -> dict[Side, float]:
        """The tables of a run that hold the space in place, and how much each counts.

        Args:
            sides: `users` and `items`, or `vectors`.

        Raises:
            UsageError: An option is of no use for these.
        """
        if VECTORS not in sides:
            if VECTORS in self.anchor_weights:
                raise UsageError("--anchor is vectors, but this run has users and items.")
            for name in PREPARING:
                if getattr(self, name):
                    raise UsageError(
                        f"--{name} changes dot products, and those of users with items are the "
                        "scores that a run keeps; it is for vectors without a second side. "
                        "--cosine aligns directions and leaves scores alone."
                    )
            return self.anchor_weights
        if self.anchor != "items" and VECTORS not in self.anchor_weights:
            raise UsageError(
                "--anchor chooses between users and items; vectors without a second side are "
                "aligned with themselves."
            )
        if self.partition_by:
            raise UsageError(
                "--partition-by keeps Gram matrices, which vectors without a second side do not "
                "need; leave it out."
            )
        if self.refine == "always":
            raise UsageError(
                "--refine is about the accuracy of a Gram matrix, which vectors without a second "
                "side do not need; leave it out."
            )
        return {VECTORS: 1.0}


def _number(value: object) -> float:
    """A number as it is; NaN for anything else."""
    return value if type(value) in (int, float) else float("nan")  # type: ignore[return-value]


def _share(sample: str | float | None) -> float:
    """The share of the rows that a fit looks at, in (0, 1]."""
    if sample is None:
        return 1.0
    try:
        if isinstance(sample, str):
            number = sample.strip()
            share = float(number[:-1]) / 100 if number.endswith("%") else float(number)
        else:
            share = float(sample)
    except (TypeError, ValueError):
        share = 0.0
    # The hash of an id has 32 bits.
    if not 2**-32 <= share <= 1:
        raise UsageError(f"--sample is {sample!r}; it must be a share of the rows, as 5% or 0.05.")
    return share


def _anchor_weights(anchor: str | Mapping[str, float]) -> dict[Side, float]:
    if isinstance(anchor, str):
        named = [side for side in SIDES if anchor in (side, "both")]
        named += [VECTORS] if anchor == VECTORS else []
        if named:
            return dict.fromkeys(named, 1.0)
        try:
            anchor = {k.strip(): float(v) for k, v in (p.split("=") for p in anchor.split(","))}
        except ValueError:
            anchor = {}
    if not isinstance(anchor, Mapping):
        anchor = {}
    known = (VECTORS,) if VECTORS in anchor else SIDES
    weights: dict[Side, float] = {side: float(anchor[side]) for side in known if side in anchor}
    weights = {side: weight for side, weight in weights.items() if weight != 0}
    usable = all(0 < weight < float("inf") for weight in weights.values())
    if not weights or not usable or not set(anchor) <= set(known):
        raise UsageError(
            "--anchor must be items, users, both, or a weight for each side as in "
            "items=1,users=0.1, with no negative weight and one above zero."
        )
    return weights
