"""The result of a run: two matrices, and where they came from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sqlstab.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from sqlstab.solve import Matrix

FORMAT = 1
FILE_NAME = "transform.json"


@dataclass(frozen=True)
class SideTransform:
    """The linear map of one side, for numpy arrays; no database is opened.

    Attributes:
        matrix: (e, d) float64; stable = raw @ matrix.
        inverse_matrix: (d, e) float64; raw = stable @ inverse_matrix.
        invertible: Whether `inverse` restores raw vectors exactly, up to rounding. It does not
            where a rank was requested, or where the other side gives no score to some direction.
    """

    matrix: Matrix
    inverse_matrix: Matrix
    invertible: bool

    def apply(self, vectors: ArrayLike) -> NDArray[np.floating[Any]]:
        """Raw vectors to stable vectors.

        Args:
            vectors: (e,) or (n, e). Products are taken in float64.

        Returns:
            (d,) or (n, d), float32 for float32 input, else float64.

        Raises:
            DataError: The vectors have another dimension.
        """
        return _multiply(vectors, self.matrix, "raw")

    def inverse(self, vectors: ArrayLike) -> NDArray[np.floating[Any]]:
        """Stable vectors, (d,) or (n, d), back to raw ones, (e,) or (n, e); see `apply`."""
        return _multiply(vectors, self.inverse_matrix, "stable")


def _multiply(vectors: ArrayLike, matrix: Matrix, kind: str) -> NDArray[np.floating[Any]]:
    given = np.asarray(vectors)
    if given.ndim not in (1, 2) or given.shape[-1] != matrix.shape[0]:
        raise DataError(
            f"This transform takes {kind} vectors of {matrix.shape[0]} components, "
            f"as an array of shape ({matrix.shape[0]},) or (n, {matrix.shape[0]}); "
            f"it was given shape {given.shape}."
        )
    result = given.astype(np.float64) @ matrix
    return result.astype(np.float32) if given.dtype == np.float32 else result


@dataclass(frozen=True)
class Transform:
    """What turns a run's raw vectors into stable ones.

    Attributes:
        run_id: The run that it belongs to.
        reference: The run whose space this is, None for a first run.
        rank: r, the number of directions that carry scores.
        singular_values: Of the score matrix, (r,), descending.
        users, items: The two maps.
    """

    run_id: str
    reference: str | None
    rank: int
    singular_values: Matrix
    users: SideTransform
    items: SideTransform

    @classmethod
    def from_matrices(
        cls,
        run_id: str,
        reference: str | None,
        singular_values: Matrix,
        matrices: dict[str, Matrix],
        invertible: dict[str, bool],
    ) -> Transform:
        """Build it from the two matrices, each of which gives the other side's inverse.

        Stable items times (M_W Omega)' are raw items: T M_T Omega (M_W Omega)' = T.
        """
        users, items = matrices["users"], matrices["items"]
        return cls(
            run_id=run_id,
            reference=reference,
            rank=int(singular_values.size),
            singular_values=singular_values,
            users=SideTransform(users, items.T, invertible["users"]),
            items=SideTransform(items, users.T, invertible["items"]),
        )

    @property
    def dimension(self) -> int:
        """d, the number of components of a stable vector."""
        return int(self.items.matrix.shape[1])

    def save(self, path: str | Path) -> Path:
        """Write it as JSON into a directory, or to a path that ends in `.json`."""
        target = _file(path)
        document = {
            "format": FORMAT,
            "run_id": self.run_id,
            "reference": self.reference,
            "raw_dimension": self.items.matrix.shape[0],
            "stable_dimension": self.dimension,
            "rank": self.rank,
            "singular_values": self.singular_values.tolist(),
            "users": _side_document(self.users),
            "items": _side_document(self.items),
        }
        partial = target.with_name(f".{target.name}.partial")
        partial.write_text(json.dumps(document) + "\n", encoding="utf-8")
        partial.replace(target)
        return target

    @classmethod
    def load(cls, path: str | Path) -> Transform:
        """Read a run directory or a transform file.

        Raises:
            DataError: It is missing, or is no transform of a format that this version reads.
        """
        source = _file(path)
        try:
            document = json.loads(source.read_text(encoding="utf-8"))
            if document["format"] != FORMAT:
                raise DataError(
                    f"{source} has format {document['format']}; this version of sqlstab reads "
                    f"format {FORMAT}."
                )
            shape = (document["raw_dimension"], document["stable_dimension"])
            matrices = {
                side: np.array(document[side]["matrix"], dtype=np.float64).reshape(shape)
                for side in ("users", "items")
            }
            transform = cls.from_matrices(
                run_id=str(document["run_id"]),
                reference=document["reference"],
                singular_values=np.array(document["singular_values"], dtype=np.float64),
                matrices=matrices,
                invertible={side: bool(document[side]["invertible"]) for side in matrices},
            )
        except OSError as error:
            raise DataError(f"There is no transform at {source}: {error.strerror}.") from error
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{source} is not a transform that sqlstab saved: {error!r}") from error
        if not all(np.isfinite(matrix).all() for matrix in matrices.values()):
            raise DataError(f"{source} is damaged: a matrix has a component that is not finite.")
        return transform


def _file(path: str | Path) -> Path:
    path = Path(path)
    return path if path.suffix == ".json" else path / FILE_NAME


def _side_document(side: SideTransform) -> dict[str, Any]:
    return {"invertible": side.invertible, "matrix": side.matrix.tolist()}
