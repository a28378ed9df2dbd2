"""Can the vectors of two models be aligned at all? An answer from e x e matrices, nothing written.

Both models are balanced first, so that what is compared is free of the basis that each has. Vectors
without a second side need no balance: their dot products leave them no other bases than turned
ones. Then one is turned to the other: on the shared ids of each side, and, for an honest score, on
half of them while the other half is looked at. Beside each figure stands what shuffled ids would
show.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np

from sqlstab import __version__, checks
from sqlstab.compute import Pair
from sqlstab.compute.choice import choose
from sqlstab.config import Options
from sqlstab.engines import connect
from sqlstab.errors import EngineError, UsageError
from sqlstab.inspection import Inspector
from sqlstab.maths import quality, solve
from sqlstab.maths.preparation import PREPARING
from sqlstab.progress import Diary, Silent
from sqlstab.references import preparing
from sqlstab.runs import FIGURES_FILE, Run, file_name
from sqlstab.stabilize import checked_options, embedding_table
from sqlstab.statements import build
from sqlstab.statements.quoting import file_reader
from sqlstab.statements.table import SIDES, VECTORS, EmbeddingTable, Side, singular
from sqlstab.summing import Summing
from sqlstab.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlstab.checks import CheckedTable
    from sqlstab.engines import AnyEngine, Engine
    from sqlstab.maths.quality import SharedSums
    from sqlstab.maths.solve import Matrix
    from sqlstab.progress import Progress
    from sqlstab.statements.table import VectorTable

Verdict = Literal["alignable", "doubtful", "unrelated"]
_VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

# A run, its directory, a directory with users.parquet and items.parquet, or two tables; or a table
# of vectors without a second side.
AnyModel: TypeAlias = (
    "Run | str | Path | EmbeddingTable | tuple[str | EmbeddingTable, str | EmbeddingTable]"
)

FORMAT = 1
# Half of the shared ids, chosen by a hash of the id, fit the alignment; it is scored on the others.
_FITTED = 0.5
# Agreement on held-out ids, of what there is above chance. The same model retrained reaches 0.6 to
# 0.8 on real data, another model of the same data at most 0.6; at 0.5, half of the vectors' squared
# length is where it was.
_ALIGNABLE = 0.5
_UNRELATED = 0.1
# Of a cosine.
_ROUNDING = 1e-9
# The options that count.
_COUNTING = ("anchor", "center", "normalize", "strategy", "on_invalid", "refine")
# So many standard deviations of shuffles are no chance any more.
_SURE = 4.0


@dataclass(frozen=True)
class Comparison:
    """What is known of two models.

    Attributes:
        figures: All figures, as `sqlstab compare --json` prints them.
    """

    figures: dict[str, Any]

    def __repr__(self) -> str:
        """The verdict and why; all figures would fill a page."""
        return f"<Comparison: {self.verdict}. {self.figures['reason']}>"

    @property
    def verdict(self) -> Verdict:
        """Whether the one can be aligned with the other."""
        verdict: Verdict = self.figures["verdict"]
        return verdict


def compare(
    model: AnyModel,
    reference: AnyModel,
    engine: AnyEngine = None,
    *,
    options: Options | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Find out how well a model can be aligned with another one, the reference.

    Args:
        model: The model to align: a run or its directory, any directory with `users.parquet` and
            `items.parquet` or with `vectors.parquet`, or a pair (users, items) of tables, as for
            `stabilize`; or a table of vectors without a second side: a file, a table's name or an
            `EmbeddingTable`. Raw vectors and stable ones give the same figures.
        reference: The model to align with, likewise. Residuals and differences are relative to it.
        engine: Where the vectors are, as for `stabilize`.
        options: Of these `anchor`, `center`, `normalize`, `strategy`, `on_invalid` and `refine`
            count; the verdict is about the sides that `anchor` names. What was done to the vectors
            of one model, a run that was centred, is done to those of the other too.
        progress: Is told what is going on.

    Raises:
        UsageError: An option or a name cannot be meant.
        DataError: The vectors or ids cannot be worked with.
        EngineError: The database failed.

    Example:
        >>> compare("retrained", "monday").verdict  # doctest: +SKIP
        'alignable'
    """
    with connect(engine, writes_tables=False) as session:
        given = checked_options(options)
        counting = Options(**{name: getattr(given, name) for name in _COUNTING})
        comparing = _Comparing(session, counting, Diary(progress or Silent()))
        return comparing.compare(_opened(model, session), _opened(reference, session))


def _opened(model: AnyModel, engine: Engine) -> Run | dict[Side, EmbeddingTable]:
    """A run, or the tables of a model that is none."""
    if isinstance(model, tuple):
        return {side: embedding_table(table) for side, table in zip(SIDES, model, strict=True)}
    if isinstance(model, EmbeddingTable):
        return {VECTORS: model}
    if isinstance(model, Run):
        return model
    folder = Path(model)
    if (folder / FIGURES_FILE).is_file():
        return Run.load(folder)
    for sides in (SIDES, (VECTORS,)):
        files = {side: folder / file_name(side) for side in sides}
        if all(path.is_file() for path in files.values()):
            return {side: EmbeddingTable(str(path)) for side, path in files.items()}
    if not folder.is_dir() and _is_table(str(model), engine):
        return {VECTORS: embedding_table(model)}
    raise UsageError(
        f"{model} is no model to compare: it is no directory with "
        f"{' and '.join(file_name(side) for side in SIDES)} or with {file_name(VECTORS)}, and no "
        "table. Name such a directory, a run directory, two tables as USERS,ITEMS, or a table of "
        "vectors that have no second side."
    )


def _check_same_kind(
    model: Run | dict[Side, EmbeddingTable], reference: Run | dict[Side, EmbeddingTable]
) -> None:
    """Both must have two sides, or both be a table alone.

    Raises:
        UsageError: They are not.
    """
    both = {"model": model, "reference": reference}
    sides = {name: list(_sides(opened)) for name, opened in both.items()}
    if sides["model"] == sides["reference"]:
        return
    alone = next(name for name, found in sides.items() if found == [VECTORS])
    remedy = "" if isinstance(both[alone], Run) else f" Name the {alone} as USERS,ITEMS."
    has = ", ".join(f"the {name} has {' and '.join(found)}" for name, found in sides.items())
    raise UsageError(f"{has.capitalize()}: they cannot be compared.{remedy}")


def _sides(opened: Run | dict[Side, EmbeddingTable]) -> Iterable[Side]:
    return opened.sides if isinstance(opened, Run) else opened


def _is_table(name: str, engine: Engine) -> bool:
    """Whether a table of vectors has this name, or a file that the engine reads as one."""
    if engine.dialect.reads_files and (Path(name).is_file() or set("*?[:") & set(name)):
        return bool(file_reader(name))
    try:
        return engine.kind(name) is not None
    except (EngineError, UsageError):  # a path is no name of a table
        return False


@dataclass(frozen=True)
class _Model:
    """A model, and the axes that it is compared in.

    Attributes:
        tables: Its tables.
        matrices: From the raw vectors of each to these axes, (e, r).
    """

    tables: dict[Side, CheckedTable]
    matrices: dict[Side, Matrix]

    @property
    def rank(self) -> int:
        """R."""
        return int(next(iter(self.matrices.values())).shape[1])


@dataclass(frozen=True)
class _Shared:
    """The sums over the shared ids of one side, in balanced coordinates.

    Attributes:
        sums: Over all of them.
        fitted: Over the share that an alignment is fitted to.
        means: The mean of the model's rows, (r,), and of the reference's, (d,).
    """

    sums: SharedSums
    fitted: SharedSums
    means: tuple[Matrix, Matrix]


class _Comparing:
    """The steps of a comparison; the first ones are those of a run.

    Args:
        engine: Where the vectors are.
        options: As in `compare`.
        diary: Is told.
    """

    def __init__(self, engine: Engine, options: Options, diary: Diary) -> None:
        self._engine = engine
        self._options = options
        self._diary = diary
        self._compute = choose(engine, options.strategy, "")
        notices = self._compute.notices_bad_vectors
        self._inspector = Inspector(engine, options, diary, notices=notices)
        self._summing = Summing(options, self._compute, self._inspector, diary)

    def compare(
        self, model: Run | dict[Side, EmbeddingTable], reference: Run | dict[Side, EmbeddingTable]
    ) -> Comparison:
        """See `compare`."""
        _check_same_kind(model, reference)
        wanted = {
            name: getattr(self._options, name)
            or any(preparing(each)[name] for each in (model, reference) if isinstance(each, Run))
            for name in PREPARING
        }
        models = self._model(model, wanted), self._model(reference, wanted)
        names = list(models[0].tables)
        anchors = self._options.anchors_of(names)
        shared = {side: self._shared(*models, side) for side in names}
        rank = models[0].rank
        sides: dict[str, Any] = {}
        for side in names:
            rows = [each.tables[side].rows for each in models]
            common, found = shared[side]
            figures = _figures(found, common, rank) if found else {}
            verdict, reason = _verdict(side, figures, common, rank)
            sides[side] = {
                "verdict": verdict,
                "reason": reason,
                "shared": common,
                "new": rows[0] - common,
                "gone": rows[1] - common,
                **figures,
            }
        # Whichever anchor holds, the alignment rests on it.
        anchor = min(anchors, key=lambda side: _VERDICTS.index(sides[side]["verdict"]))
        return Comparison(
            {
                "format": FORMAT,
                "sqlstab": __version__,
                "verdict": sides[anchor]["verdict"],
                "reason": sides[anchor]["reason"],
                "models": {
                    name: {
                        "rank": each.rank,
                        **{side: checked.table.relation for side, checked in each.tables.items()},
                    }
                    for name, each in zip(("model", "reference"), models, strict=True)
                },
                **sides,
                "score_drift": _score_drift({side: found for side, (_, found) in shared.items()}),
                "engine": self._engine.dialect.name,
                "warnings": self._diary.warnings,
            }
        )

    def _model(
        self, opened: Run | dict[Side, EmbeddingTable], wanted: Mapping[str, bool]
    ) -> _Model:
        """A model in the axes that it is compared in.

        Args:
            opened: The model.
            wanted: How its vectors are to be prepared, by the names of options. Those of a run may
                be so already.
        """
        if isinstance(opened, Run):
            self._inspector.check_reachable(opened)
            found = {side: self._inspector.stable_table(opened, side) for side in opened.sides}
        else:
            found = {side: self._inspector.resolved(table, side) for side, table in opened.items()}
        tables = {
            side: self._inspector.checked(table, values=side == VECTORS)
            for side, table in found.items()
        }
        if isinstance(opened, Run):
            for checked in tables.values():
                self._inspector.check_unchanged(opened, checked.table, checked.rows)
        if VECTORS in tables:
            done = preparing(opened) if isinstance(opened, Run) else dict.fromkeys(wanted, False)
            if wanted["center"] and done["normalize"] and not done["center"]:
                raise UsageError(
                    "Unit vectors cannot be centred afterwards, for their lengths are lost: "
                    "compare the raw vectors."
                )
            if any(wanted[name] and not done[name] for name in wanted):
                preparation = self._summing.preparation(
                    tables[VECTORS],
                    center=wanted["center"] and not done["center"],
                    normalize=wanted["normalize"],
                )
                table = replace(tables[VECTORS].table, preparation=preparation)
                tables[VECTORS] = replace(tables[VECTORS], table=table)
            own: Matrix = np.eye(tables[VECTORS].dimension or 0)
            if isinstance(opened, Run):
                # Back from a space that may have more dimensions than the model.
                own = opened.transform.vectors.omega.T
            return _Model(tables, {VECTORS: own})
        factors: dict[Side, solve.Factor] = {}
        for side in SIDES:
            factored = self._summing.factor(side, tables)
            factors[side] = factored.factor
            tables |= factored.tables
        checks.check_dimensions(tables["users"], tables["items"])
        balance = solve.balance(factors["users"], factors["items"])
        return _Model(tables, {"users": balance.users, "items": balance.items})

    def _shared(self, model: _Model, reference: _Model, side: Side) -> tuple[int, _Shared | None]:
        """How many ids both models have, and the sums over them if there is any but zero."""
        table, other = model.tables[side].table, reference.tables[side].table
        matrix, other_matrix = model.matrices[side], reference.matrices[side]
        with self._diary.step("check", "Counting shared ids"):
            checks.check_joinable(self._engine, table, other)
            rows = checks.count_shared(self._engine, table, other)
        if rows == 0:
            return 0, None
        pair = Pair(table, other, len(other_matrix), rows)
        with self._diary.step("cross_gram", f"Comparing {side}") as step:
            sums, fitted = (
                self._compute.shared_sums(
                    pair.sample(share), matrix, normalize=False, step=step
                ).mapped(other_matrix)
                for share in (1.0, _FITTED)
            )
            # Only the level of chance needs the means.
            sample = pair.sample(min(1.0, quality.SAMPLED_ROWS / rows))
            means = (
                self._mean(sample.table, sample.reference, matrix),
                self._mean(sample.reference, sample.table, other_matrix),
            )
        nothing = not np.trace(sums.run) > 0 or not np.trace(sums.reference) > 0
        return rows, None if nothing else _Shared(sums, fitted, means)

    def _mean(self, table: VectorTable, other: VectorTable, matrix: Matrix) -> Matrix:
        """The mean of a table's rows times a matrix, over ids that another table has too."""
        dialect = self._engine.dialect
        mean = np.zeros(len(matrix))
        for row in self._engine.query(build.column_sums(table, other, len(matrix), dialect)):
            mean[int(row["i"]) - 1] = row["value"] / row["n_rows"]
        balanced: Matrix = mean @ matrix
        return balanced


def _figures(shared: _Shared, rows: int, rank: int) -> dict[str, Any]:
    """The figures of one side."""
    sums = shared.sums
    # Rows that are at right angles have a cross Gram matrix of zeros.
    alignment = solve.align(sums.cross / (np.linalg.norm(sums.cross) or 1.0))
    held_out = sums - shared.fitted
    is_split = all(
        np.trace(part.run) > 0 < np.trace(part.reference) for part in (shared.fitted, held_out)
    )
    fitted = solve.align(shared.fitted.cross) if is_split else None
    chance = quality.chance(sums, shared.means, rows, _FITTED) if rows > 1 else None
    return {
        "cosine": quality.cosine(sums),
        "held_out": quality.cosine_with(fitted.omega, held_out) if fitted else None,
        "chance": asdict(chance) if chance else None,
        "relative_residual": quality.relative_residual(sums),
        "linear_residual": quality.linear_residual(sums),
        "bound": quality.residual_bound(sums),
        "dot_product_difference": quality.dot_product_difference(sums),
        "cka": quality.linear_cka(sums),
        "ambiguous": max(alignment.ambiguous - max(rank - sums.reference.shape[0], 0), 0),
    }


def _verdict(side: Side, figures: dict[str, Any], shared: int, rank: int) -> tuple[Verdict, str]:
    """Whether this side can be aligned, and why."""
    if not figures:
        why = "that both have are zero vectors" if shared else "have no id in common"
        return "unrelated", f"The {side} {why}."
    wanted = quality.enough(rank)
    there = f"{counted(shared, singular(side), side)} {'is' if shared == 1 else 'are'}"
    few = f"Only {there} in both; to align {rank} dimensions takes {wanted:,}."
    held_out, chance = figures["held_out"], figures["chance"]
    if held_out is None or chance is None:
        return "doubtful", few
    by_chance = chance["held_out"]
    seen = (
        f"{side.capitalize()} that took no part in the fit agree to a cosine of {held_out:.2f}, "
        f"weighted by length; with shuffled ids it would be {round(by_chance, 2) + 0.0:.2f}"
    )
    by_themselves = by_chance > 1 - _ROUNDING
    if shared < wanted or by_themselves:
        why = few if shared < wanted else f"All {side} have one direction."
        return "doubtful", f"{why} {seen}."
    agreement = (held_out - by_chance) / (1 - by_chance)
    if held_out < by_chance + _SURE * chance["spread"] or agreement < _UNRELATED:
        return "unrelated", f"{seen}."
    if agreement < _ALIGNABLE:
        return "doubtful", f"{seen}: no accident, but most of each vector is elsewhere."
    return "alignable", f"{seen}."


def _score_drift(shared: dict[Side, _Shared | None]) -> float | None:
    """|S - S*| / |S*| of the scores of shared users with shared items (Frobenius)."""
    users, items = shared.get("users"), shared.get("items")
    if users is None or items is None:
        return None
    first = np.sum(users.sums.run * items.sums.run)
    second = np.sum(users.sums.reference * items.sums.reference)
    both = np.sum(users.sums.cross * items.sums.cross)
    if not second:
        return None
    return float(np.sqrt(max(first + second - 2 * both, 0.0) / second))
