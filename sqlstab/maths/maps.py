"""The result of a run: a map for each of its tables, and where they came from.

A run has the tables that its transform has maps for, by name: `users` and `items`, or `vectors`
alone. Further tables (`also`) come with it: each lives in the space of one of these sides and takes
its map. Code that is about a run asks for these names, and not for a constant.

A table alone keeps its dot products under any orthogonal map. So its `balanced` has orthonormal
columns (the identity, unless a rank was requested), and it is its own other side: everything that
holds of a pair, such as `inverse_matrix`, holds of it as it stands. Its vectors may be centred or
made unit vectors first (`preparation`): x becomes (x - mean) / |x - mean|, and that is multiplied.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from sqlstab import saved
from sqlstab.errors import DataError, UsageError
from sqlstab.maths.preparation import UNPREPARED, Preparation
from sqlstab.maths.solve import EPS
from sqlstab.statements.table import OTHER, SIDES, VECTORS, check_further

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

    from sqlstab.maths.solve import Matrix
    from sqlstab.statements.table import Element, Side

FORMAT = 1
FILE_NAME = "transform.json"
# What multiplying may cost of a score, relative to the largest: well below what a component of this
# type costs anyway.
SCORE_ERROR: dict[Element, float] = {"float": 1e-8, "double": 1e-13}

# The file of a transform; what its matrices hold is looked at as arrays.
_SIDE = {"balanced": [list], "invertible": bool, "mean?": [float], "normalize?": bool}
_SHAPE = {
    "run_id": str,
    "reference": (None, str),
    "raw_dimension": int,
    "stable_dimension": int,
    "rank": int,
    "singular_values": (None, list),
    "omega": [list],
    "also?": {...: str},
}

# How far from orthonormal a turn may be: M_W' M_T is the identity to the accuracy of a Cholesky
# factor, 1e-8 where a table's condition is 1e8; a turn that does not fit is off by about 1.
_ORTHONORMAL = 1e-6


@dataclass(frozen=True)
class SideTransform:
    """The map of one table, for numpy arrays; no database is opened.

    It is linear, after the preparation if there is one, and kept as two factors. Their product, a
    single matrix, loses digits where some directions carry much smaller scores than others: its
    entries are as large as the large factor demands, and their rounding errors go into every stable
    component.

    Attributes:
        balanced: (e, r) float64; raw vectors times this are in the run's own principal axes.
        omega: (r, d) float64 with orthonormal rows; from there to the stable axes.
        other: (e, r) float64, `balanced` of the other side; of a table alone, its own.
        invertible: Whether `inverse` restores raw vectors exactly, up to rounding. It does not
            where a rank was requested, or where the other side gives no score to some direction.
            Where vectors get length one, of vectors that have it.
        preparation: What is done to a raw vector first.
    """

    balanced: Matrix
    omega: Matrix
    other: Matrix
    invertible: bool
    preparation: Preparation = UNPREPARED

    def __repr__(self) -> str:
        """Its sizes: the matrices would fill a page."""
        rank, dimension = self.omega.shape
        lossy = "" if self.invertible else ", not invertible"
        return f"<SideTransform {len(self.balanced)} -> {dimension}, rank {rank}{lossy}>"

    @property
    def matrix(self) -> Matrix:
        """(e, d); stable = raw @ matrix, with raw as `preparation` leaves it."""
        return self.balanced @ self.omega

    @property
    def inverse_matrix(self) -> Matrix:
        """(d, e), the way back: raw = stable @ inverse_matrix, as T M_T Omega (M_W Omega)' = T."""
        return self.omega.T @ self.other.T

    def apply(self, vectors: ArrayLike) -> NDArray[np.floating[Any]]:
        """Raw vectors to stable vectors.

        Args:
            vectors: (e,) or (n, e). Products are taken in float64.

        Returns:
            (d,) or (n, d), float32 for float32 input, else float64.

        Raises:
            DataError: The vectors have another dimension.
        """
        return _multiply(vectors, (self.balanced, self.omega), "raw", before=self.preparation)

    def inverse(self, vectors: ArrayLike) -> NDArray[np.floating[Any]]:
        """Stable vectors, (d,) or (n, d), back to raw ones, (e,) or (n, e); see `apply`.

        Raises:
            DataError: The vectors have another dimension; or they were made unit vectors, and no
                longer tell the lengths that the raw ones had.
        """
        if self.preparation.normalize:
            raise DataError(
                "There is no way back from these stable vectors: they were made unit vectors, and "
                "the lengths of the raw ones are lost."
            )
        mean = np.array(self.preparation.mean or 0.0)
        return _multiply(vectors, (self.omega.T, self.other.T), "stable", plus=mean)


def _multiply(
    vectors: ArrayLike,
    steps: tuple[Matrix, Matrix],
    kind: str,
    *,
    before: Preparation = UNPREPARED,
    plus: Matrix | float = 0.0,
) -> NDArray[np.floating[Any]]:
    given = np.asarray(vectors)
    dimension = len(steps[0])
    if given.ndim not in (1, 2) or given.shape[-1] != dimension:
        raise DataError(
            f"This transform takes {kind} vectors of {dimension} components, "
            f"as an array of shape ({dimension},) or (n, {dimension}); "
            f"it was given shape {given.shape}."
        )
    result = before.of(given.astype(np.float64)) @ steps[0] @ steps[1] + plus
    return result.astype(np.float32) if given.dtype == np.float32 else result


@dataclass(frozen=True)
class Transform:
    """What turns a run's raw vectors into stable ones.

    Attributes:
        run_id: The run that it belongs to.
        reference: The run whose space this is, None for a first run.
        rank: r, the number of directions that carry scores, or that are kept.
        singular_values: Of the score matrix, (r,), descending; None for a table alone, for which
            nobody needs them.
        maps: The map of each table, by its name: `users` and `items`, or `vectors`.
        also: Further tables, and the side whose space each shares: it takes the map of that side.
    """

    run_id: str
    reference: str | None
    rank: int
    singular_values: Matrix | None
    maps: Mapping[Side, SideTransform]
    also: Mapping[Side, Side] = field(default_factory=dict)

    def __repr__(self) -> str:
        """What it is of, and its sizes: the matrices would fill pages."""
        space = f"reference {self.reference}" if self.reference else "a space of its own"
        return (
            f"<Transform of run {self.run_id}: {', '.join((*self.maps, *self.also))}; "
            f"{self.raw_dimension} -> {self.dimension}, rank {self.rank}; {space}>"
        )

    @classmethod
    def from_factors(
        cls,
        run_id: str,
        reference: str | None,
        singular_values: Matrix | None,
        balanced: Mapping[Side, Matrix],
        omega: Matrix,
        invertible: Mapping[Side, bool],
        also: Mapping[Side, Side] = MappingProxyType({}),
        preparations: Mapping[Side, Preparation] = MappingProxyType({}),
    ) -> Transform:
        """Build it from M_W and M_T, (e, r) each, and Omega, (r, d)."""
        return cls(
            run_id=run_id,
            reference=reference,
            rank=len(omega),
            singular_values=singular_values,
            maps={
                side: SideTransform(
                    matrix,
                    omega,
                    balanced[OTHER[side]],
                    invertible[side],
                    preparations.get(side, UNPREPARED),
                )
                for side, matrix in balanced.items()
            },
            also=also,
        )

    def __getitem__(self, side: Side) -> SideTransform:
        """The map of a table: of a side, or of a further table of the run.

        Raises:
            DataError: The run has no such table.
        """
        side = self.also.get(side, side)
        if side not in self.maps:
            raise DataError(
                f"The transform of run {self.run_id} has no map for {side}; it has one for "
                f"{' and '.join(self.maps)}."
            )
        return self.maps[side]

    @property
    def users(self) -> SideTransform:
        """The map of the users."""
        return self["users"]

    @property
    def items(self) -> SideTransform:
        """The map of the items."""
        return self["items"]

    @property
    def vectors(self) -> SideTransform:
        """The map of vectors that have no second side."""
        return self[VECTORS]

    @property
    def _any(self) -> SideTransform:
        """One of the maps: Omega and all sizes are the same in each."""
        return next(iter(self.maps.values()))

    def steps(self, side: Side, tolerance: float) -> list[Matrix]:
        """The matrices to multiply a side's raw vectors by: one, where that keeps the scores.

        Args:
            side: The side.
            tolerance: Largest error of a score, relative to the largest score.
        """
        factors = self[side]
        values = self.singular_values
        spread = 1.0 if values is None else np.sqrt(values[0] / values[-1])
        if 16 * EPS * spread < tolerance:
            return [factors.matrix]
        return [factors.balanced, factors.omega]

    def inverse_steps(self, side: Side, tolerance: float) -> list[Matrix]:
        """The same for the way back, from a side's stable vectors to its raw ones."""
        factors = self[side]
        if len(self.steps(side, tolerance)) == 1:
            return [factors.inverse_matrix]
        return [factors.omega.T, factors.other.T]

    def turn_to(self, other: Transform) -> Matrix:
        """From this transform's stable axes to those of another one of the same raw vectors.

        Where a run was aligned with two references, T M_T Omega and T M_T Omega' are one set of
        vectors in two spaces; between them is Omega' after the inverse of Omega.

        Args:
            other: What the same raw vectors were turned by into another space.

        Returns:
            (d, d'); stable vectors of this space times this are in the other one.

        Raises:
            DataError: The two are not of the same raw vectors, or a rank was requested.
        """
        turn: Matrix = np.zeros((0, 0))
        # Users may have directions that get no score, and are lost: the items come last.
        side, known = list(self.maps.items())[-1]
        fits = side in other.maps and self.raw_dimension == other.raw_dimension
        if fits:
            fits = known.preparation.agrees(other[side].preparation)
        if fits and known.invertible:
            turn = known.inverse_matrix @ other[side].matrix
        if not turn.size or not _keeps_lengths(known.omega @ turn):
            raise DataError(
                f"The transforms of runs {self.run_id} and {other.run_id} are not of the same raw "
                "vectors, all of whose dimensions are kept."
            )
        return turn

    def then(self, turn: Matrix, reference: str) -> Transform:
        """This transform and a turn of the space after it: the same run in another space.

        All that was ever aligned with a run goes along when that run moves to another space:
        `run.then(moved_from.turn_to(moved_to), "the reference of moved_to")`. No vector is read.

        Args:
            turn: (d, d'), from this space to the other one, as `turn_to` gives it.
            reference: The run whose space the other one is.

        Raises:
            DataError: Scores would change: the turn does not keep the lengths of this run's
                vectors, as where they have directions that it knows nothing about.
        """
        fits = turn.ndim == 2 and len(turn) == self.dimension
        omega = self._any.omega @ turn if fits else np.zeros((0, 0))
        if not fits or not _keeps_lengths(omega):
            raise DataError(
                f"A turn of shape {turn.shape} does not keep the scores of run {self.run_id}, "
                f"whose space has {self.dimension} dimensions, {self.rank} of them in use."
            )
        return replace(
            self,
            reference=reference,
            maps={side: replace(known, omega=omega) for side, known in self.maps.items()},
        )

    @property
    def dimension(self) -> int:
        """d, the number of components of a stable vector."""
        return int(self._any.omega.shape[1])

    @property
    def raw_dimension(self) -> int:
        """e, the number of components of a raw vector."""
        return int(self._any.balanced.shape[0])

    def to_json(self) -> str:
        """The text of a transform file."""
        values = self.singular_values
        document = {
            "format": FORMAT,
            "run_id": self.run_id,
            "reference": self.reference,
            "raw_dimension": self.raw_dimension,
            "stable_dimension": self.dimension,
            "rank": self.rank,
            "singular_values": None if values is None else values.tolist(),
            "omega": self._any.omega.tolist(),
            **{side: _side_document(known) for side, known in self.maps.items()},
            **({"also": dict(self.also)} if self.also else {}),
        }
        return json.dumps(document) + "\n"

    def save(self, path: str | Path) -> Path:
        """Write it as JSON to a file, or into a directory; see `transform_file`."""
        target = transform_file(path)
        partial = target.with_name(f".{target.name}.partial")
        partial.write_text(self.to_json(), encoding="utf-8")
        partial.replace(target)
        return target

    @classmethod
    def load(cls, path: str | Path) -> Transform:
        """Read a run directory or a transform file.

        Raises:
            DataError: It is missing, or is no transform of a format that this version reads.
        """
        source = transform_file(path)
        try:
            text = source.read_text(encoding="utf-8")
        except OSError as error:
            raise DataError(f"There is no transform at {source}: {error.strerror}.") from error
        except ValueError as error:
            raise DataError(
                f"{source} is not a transform that sqlstab saved: it is no text in UTF-8."
            ) from error
        return cls.from_json(text, str(source))

    @classmethod
    def from_json(cls, text: str, source: str) -> Transform:
        """Read the text of a transform file.

        Args:
            text: The text.
            source: Where it is from, for messages.

        Raises:
            DataError: It is no transform of a format that this version reads.
        """
        try:
            document = saved.loads(text)
            saved.check(document, {"format": saved.ANYTHING})
            if document["format"] != FORMAT:
                raise DataError(
                    f"{source} has format {document['format']}; this version of sqlstab reads "
                    f"format {FORMAT}."
                )
            sides = (VECTORS,) if VECTORS in document else SIDES
            saved.check(document, {**_SHAPE, **dict.fromkeys(sides, _SIDE)})
            raw, stable = document["raw_dimension"], document["stable_dimension"]
            rank, known = document["rank"], document["singular_values"]
            values = None if known is None else np.array(known, dtype=np.float64)
            if sides == SIDES and (values is None or values.size != rank):
                raise ValueError(f"singular_values are not {rank} numbers")
            transform = cls.from_factors(
                run_id=document["run_id"],
                reference=document["reference"],
                singular_values=values,
                balanced={side: _matrix(document[side]["balanced"], raw, rank) for side in sides},
                omega=_matrix(document["omega"], rank, stable),
                invertible={side: document[side]["invertible"] for side in sides},
                also=document.get("also", {}),
                preparations={side: _preparation(document[side], side, raw) for side in sides},
            )
            check_further(transform.also, transform.maps)
        except (OverflowError, TypeError, ValueError, UsageError) as error:
            raise DataError(f"{source} is not a transform that sqlstab saved: {error}.") from error
        parts = (part for m in transform.maps.values() for part in (m.balanced, m.omega))
        if not all(np.isfinite(part).all() for part in parts):
            raise DataError(f"{source} is damaged: a matrix has a component that is not finite.")
        if values is not None and not (
            values.size and np.isfinite(values).all() and values.min() > 0
        ):
            raise DataError(f"{source} is damaged: a singular value is not above zero.")
        if not _keeps_lengths(transform._any.omega):
            raise DataError(
                f"{source} is damaged: the rows of omega are not orthonormal, so it would change "
                "scores."
            )
        return transform


def _keeps_lengths(omega: Matrix) -> bool:
    """Whether rows are orthonormal, as far as an Omega of nearly dependent columns ever is."""
    # Rows whose products overflow are none.
    with np.errstate(over="ignore", invalid="ignore"):
        error = np.abs(omega @ omega.T - np.eye(len(omega))).max(initial=0.0)
    return bool(error < _ORTHONORMAL)


def transform_file(path: str | Path) -> Path:
    """The transform file that a path stands for: itself, or one in the directory that it names.

    What is not there yet is a file if its name ends in `.json`.
    """
    path = Path(path)
    is_file = path.is_file() or (path.suffix == ".json" and not path.is_dir())
    return path if is_file else path / FILE_NAME


def _side_document(side: SideTransform) -> dict[str, Any]:
    prepared: dict[str, Any] = {}
    if side.preparation:
        mean, normalize = list(side.preparation.mean), side.preparation.normalize
        prepared = {**({"mean": mean} if mean else {}), "normalize": normalize}
    return {"invertible": side.invertible, **prepared, "balanced": side.balanced.tolist()}


def _preparation(document: dict[str, Any], side: Side, raw_dimension: int) -> Preparation:
    """What is done to the raw vectors of a side first, from its part of a transform file."""
    mean = tuple(map(float, document.get("mean", ())))
    found = Preparation(mean, document.get("normalize", False))
    if found and side != VECTORS:
        raise ValueError(f"{side} have a mean or a length, which would change scores")
    if mean and len(mean) != raw_dimension:
        raise ValueError(f"{side}.mean has {len(mean)} numbers, not {raw_dimension}")
    if mean and "normalize" not in document:
        # It stands beside every mean that was saved: to take false for it would be a guess.
        raise ValueError(f"{side}.normalize is missing beside {side}.mean")
    return found


def _matrix(rows: Any, height: int, width: int) -> Matrix:
    matrix = np.array(rows, dtype=np.float64)
    if matrix.shape != (height, width):
        raise ValueError(f"a matrix has shape {matrix.shape}, not ({height}, {width})")
    return matrix
