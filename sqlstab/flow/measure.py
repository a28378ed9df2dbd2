"""What is known of a run that is solved: its figures, and whether it may be written."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from sqlstab import folds
from sqlstab.engines.base import UnusableVectorsError
from sqlstab.errors import EngineError
from sqlstab.flow import check, figures, findings, gates, temporary
from sqlstab.maths import quality
from sqlstab.maths.quality import BeforeAfter, Cosines
from sqlstab.statements import build
from sqlstab.statements.statement import Fold, Statement

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlstab.flow.check import Checked
    from sqlstab.flow.job import Job
    from sqlstab.flow.reference import Member, Reference
    from sqlstab.maths.balanced import Balanced
    from sqlstab.maths.quality import Band
    from sqlstab.maths.solve import Matrix
    from sqlstab.statements.sides import Side
    from sqlstab.statements.statement import Flow, Part, Rows
    from sqlstab.statements.table import VectorTable

# What stands in for the rows of a table that is not looked at.
_ROWS = 1_000_000
# Ids that a message names.
_EXAMPLES = 3
# Of a matrix for cosines by 4-byte numbers; that of the maps of trained models is about 2.
_MOST_CONDITION = 10


def run(
    job: Job,
    tables: dict[Side, Checked],
    balanced: Balanced,
    omega: Matrix,
    fit: figures.Fit | None,
    shared: dict[Side, int],
) -> Flow[dict[str, Any]]:
    """Collect what is known of a run that is solved, and hold it against the gates.

    Raises:
        GateError: It is not good enough.
    """
    values = balanced.singular_values
    found: dict[str, Any] = {
        "format": figures.FORMAT,
        **job.about,
        "options": job.options.to_dict(),
        "strategy": "arrow" if job.streams else "sql",
        "inputs": {side: figures.described(checked.table) for side, checked in tables.items()},
        "tables": {
            side: {**figures.counts(checked), **balanced.figures.get(side, {})}
            for side, checked in tables.items()
        },
        "map": job.map,
        "like": dict(job.like),
        "raw_dimension": balanced.raw_dimension,
        "dimension": omega.shape[1],
        "rank": balanced.rank,
        "invertible": balanced.restored,
        "singular_values": None if values is None else values.tolist(),
        "reference": job.reference.figures() if job.reference else None,
        "alignment": figures.of_fit(fit) if fit else None,
        "shared": shared,
        "cosine": None,
        "neighbours_kept": None,
        "gates": None,
        "scores": {"identity_error": balanced.identity_error, "max_relative_error": None},
        "outputs": None,
    }
    if job.reference and fit:
        found["cosine"] = yield from _all_cosines(
            job, job.reference, fit, tables, balanced, omega, shared
        )
        far, alignment = findings.far(found), found["alignment"]
        if far and alignment["verdict"] == "alignable":
            # The ids that were fitted agree, but scores of one training with another mean nothing.
            alignment["verdict"] = "doubtful"
            of_run = f"{' and '.join(far)} hardly agree with those of {job.reference.key}"
            alignment["reason"] += f" But the {of_run}."
    elif job.map == "balanced":
        # A rotation keeps all of them: of the two kinds of maps this tells which one suits.
        matrix = balanced.maps["items"] @ omega
        found["neighbours_kept"] = yield from neighbours_kept(job, tables["items"], matrix)
    found["examples"] = yield from _examples(job, tables, balanced, omega, found)
    for finding in findings.findings(found):
        # What is bad is for the gates.
        if finding.level == "doubtful":
            job.log.warn(finding.text)
    if job.reference:
        found["gates"] = gates.check(found, job.options, job.log)
    else:
        gates.unchecked(job.options, job.log)
    aligned = job.reference and found["alignment"]["verdict"] != "unrelated"
    found["axes"] = job.reference.axes if job.reference and aligned else found["created"]
    return found


def _all_cosines(
    job: Job,
    reference: Reference,
    fit: figures.Fit,
    tables: dict[Side, Checked],
    balanced: Balanced,
    omega: Matrix,
    shared: dict[Side, int],
) -> Flow[dict[str, Any]]:
    """Take the cosines of the same id in this run and the newest earlier one, raw and stable."""
    found: dict[str, Any] = {}
    for name, member in reference.newest.items():
        side = job.like.get(name, name)
        level = (fit.agreement.chance or 0.0) if name in fit.sides else 0.0
        # The reference's raw vectors are its stable ones, back through its own map.
        back = reference.maps[side].inverse_matrix
        comparable = reference.lossless.get(side) and back.shape[1] == balanced.raw_dimension
        both = yield from cosines(
            job,
            tables[name],
            member,
            balanced.maps[side] @ omega,
            back if comparable else None,
            share=quality.sampled(shared[name]),
            band=quality.Band.of(level, omega.shape[1]),
        )
        found[name] = asdict(both)
    return found


def _examples(
    job: Job, tables: dict[Side, Checked], balanced: Balanced, omega: Matrix, found: dict[str, Any]
) -> Flow[dict[str, dict[str, Any]]]:
    """Look up ids for what is said of a run, where something is."""
    examples: dict[str, dict[str, Any]] = {"zeros": {}, "strangers": {}, "unshared": {}}
    for name, checked in tables.items():
        if findings.has_many_zeros(found["tables"][name]):
            size = checked.dimension or job.dimension
            example = yield from check.example(checked.table, "zeros", size, job.dialect)
            examples["zeros"][name] = example
    for name, member in job.reference.newest.items() if job.reference else ():
        table = tables[name].table
        if not found["shared"][name]:
            pair = []
            for each in (table, member.table):
                pair.append((yield from check.example(each, None, None, job.dialect)))
            examples["unshared"][name] = pair
        elif found["cosine"][name]["strangers"]:
            matrix = balanced.maps[job.like.get(name, name)] @ omega
            share = quality.sampled(found["shared"][name])
            ids = yield from least_alike(job, table, member, matrix, share)
            examples["strangers"][name] = ids
    return examples


# ---- What single rows show -----------------------------------------------------------------------


def cosines(
    job: Job,
    checked: Checked,
    member: Member,
    matrix: Matrix,
    raw_matrix: Matrix | None,
    share: float,
    band: Band,
) -> Flow[BeforeAfter]:
    """Take the cosines of the same id in this run and in one run of the reference.

    Args:
        job: The run.
        checked: The run's table.
        member: The rows of the one run.
        matrix: From this run's raw to its stable vectors, (e, d), d at least the reference's.
        raw_matrix: From the reference's stable vectors back to its raw ones; None leaves out
            `before`.
        share: Look at this share of the shared ids, chosen by a hash of the id.
        band: Where cosines are that are a matter of chance.

    Raises:
        DataError: The reference's vectors are damaged.
    """
    try:
        return (yield from _cosines(job, checked, member, matrix, raw_matrix, share, band))
    except (UnusableVectorsError, EngineError) as error:
        raise (yield from check.damage(member.table, member.stored, job.dialect, error)) from error


def _cosines(
    job: Job,
    checked: Checked,
    member: Member,
    matrix: Matrix,
    raw_matrix: Matrix | None,
    share: float,
    band: Band,
) -> Flow[BeforeAfter]:
    table, reference = (replace(t, share=share) for t in (checked.table, member.table))
    side, e, d = table.side, len(matrix), member.stored
    reads = (side, f"reference {side}")
    common: dict[str, Any] = {
        "step": f"cosine {side}",
        "stand_in": BeforeAfter(_ROWS, None, Cosines(1.0, 1.0, 1.0)),
        "title": f"Measuring {side}",
    }
    if job.streams:
        query = build.shared_rows(table, reference, job.dialect)
        fold = Fold(
            query,
            partial(
                folds.cosines,
                dimensions=(e, d),
                matrix=matrix,
                reference_matrix=member.matrix,
                raw_matrix=raw_matrix,
            ),
            partial(_merged_cosines, band=band),
            reads,
            e + d,
            rows=round(checked.rows * share),
        )
        found: BeforeAfter = yield Statement(
            texts=(query,), read=_before_after, fold=fold, reads=reads, **common
        )
        return found
    products = [(table, matrix)] + ([] if raw_matrix is None else [(reference, raw_matrix)])
    single = member.matrix is None and all(_multiplies_single(job, *pair) for pair in products)
    if not single:
        statement = build.drift(
            table,
            reference,
            (e, d),
            job.dialect,
            matrix=matrix,
            reference_matrix=member.matrix,
            raw_matrix=raw_matrix,
            bands={"after": band} | ({} if raw_matrix is None else {"before": quality.SAME}),
        )
        # x, s and y, and z, which need not be columns where there are arrays.
        columns = e + matrix.shape[1] + member.dimension + (0 if raw_matrix is None else e)
        narrow = job.dialect.style == "arrays" or columns <= job.dialect.most_columns
        if narrow and job.dialect.takes(statement):
            found = yield Statement(texts=(statement,), read=_before_after, reads=reads, **common)
            return found
    # The same figures, from multiplied rows in temporary tables.
    keep = len(job.temporary)
    stable = yield from temporary.product(job, table, matrix.shape[1], matrix, single=single)
    if member.matrix is not None:
        reference = yield from temporary.product(job, reference, member.dimension, member.matrix)
    dimensions = matrix.shape[1], member.dimension
    statement = build.drift(stable, reference, dimensions, job.dialect, bands={"after": band})
    found = yield Statement(texts=(statement,), read=_before_after, reads=reads, **common)
    if raw_matrix is not None:
        raw = yield from temporary.product(job, reference, e, raw_matrix, single=single)
        bands = {"after": quality.SAME}
        statement = build.drift(table, raw, (e, e), job.dialect, bands=bands)
        other = yield Statement(texts=(statement,), read=_raw, reads=reads, **common)
        found = replace(found, before=other.before, stale=other.stale)
    yield from job.drop(keep)
    return found


def _multiplies_single(job: Job, table: VectorTable, matrix: Matrix) -> bool:
    """Return whether 4-byte sums, by the engine, do for cosines: they are off by 1e-6 at most.

    The error of a sum is below 1e-7 of its products, as the root of the sum of their squares. Over
    all sums of a row these are at most the row's length times the largest singular value of the
    matrix; the vector that they make is at least as long as the row times the smallest.
    """
    return table.product(job.dialect) is not None and bool(np.linalg.cond(matrix) < _MOST_CONDITION)


def neighbours_kept(job: Job, checked: Checked, matrix: Matrix) -> Flow[float | None]:
    """Find which share of its nearest neighbours by cosine a row keeps under a map, from a sample.

    Args:
        job: The run.
        checked: The run's table.
        matrix: From raw to stable vectors, (e, d).

    Returns:
        From 0 to 1; None for too few rows, or where no statement can be as long.
    """
    share = min(1.0, quality.NEIGHBOUR_ROWS / max(checked.rows, 1))
    table, side = replace(checked.table, share=share), checked.table.side
    common: dict[str, Any] = {
        "step": f"neighbours {side}",
        "stand_in": 1.0,
        "reads": (side,),
        "title": f"Looking at neighbours of {side}",
    }
    if job.streams:
        query = build.rows(table, job.dialect)
        fold = Fold(
            query,
            partial(folds.sample, dimension=len(matrix)),
            partial(_merged_neighbours, matrix=matrix),
            (side,),
            len(matrix),
            rows=round(checked.rows * share),
        )
        kept: float | None = yield Statement(
            texts=(query,), read=lambda _: 1.0, fold=fold, **common
        )
        return kept
    raw = build.Vectors(table, len(matrix))
    statement = build.neighbours(
        raw,
        replace(raw, matrix=matrix),
        min(1.0, quality.NEIGHBOUR_QUERIES / max(checked.rows, 1)),
        quality.NEAREST,
        job.dialect,
        cosine=True,
    )
    if checked.rows <= quality.NEAREST or not job.dialect.takes(statement):
        return None
    found: float | None = yield Statement(texts=(statement,), read=_kept_share, **common)
    return found


def _merged_neighbours(parts: list[Part], matrix: Matrix) -> float | None:
    rows = np.concatenate([np.empty(0), *(rows for _, (rows,) in parts)]).reshape(-1, len(matrix))
    return quality.neighbours_kept(rows, rows @ matrix, quality.NEAREST)


def _kept_share(rows: Rows) -> float | None:
    listed = int(rows[0]["n_neighbours"] or 0)
    return int(rows[0]["n_both"]) / listed if listed else None


def least_alike(
    job: Job, table: VectorTable, member: Member, matrix: Matrix, share: float
) -> Flow[list[str]]:
    """Find the ids, of a share of them, whose stable vectors differ most from the reference's.

    Args:
        job: The run.
        table: The run's table.
        member: The rows of one run of the reference.
        matrix: From this run's raw to its stable vectors, (e, d).
        share: The share of the ids, chosen by a hash of the id.
    """
    pair = (
        build.Vectors(replace(table, share=share), len(matrix), matrix),
        build.Vectors(replace(member.table, share=share), member.stored, member.matrix),
    )
    statement = build.moved_most(pair, None, _EXAMPLES, job.dialect)
    if not job.dialect.takes(statement):
        return []
    found: list[str] = yield Statement(
        f"example {table.side}",
        (statement,),
        lambda rows: [str(row["moved_id"]) for row in rows],
        [],
        reads=(table.side, f"reference {table.side}"),
    )
    return found


def _merged_cosines(parts: list[Part], band: Band) -> BeforeAfter:
    rows = sum(count for count, _ in parts)
    before, after = ([part[which] for _, part in parts] for which in (0, 1))

    def counts(values: list[Matrix], band: Band) -> tuple[int, int]:
        below = sum(int((part < band.level).sum()) for part in values)
        return below, sum(int((part < band.near).sum()) for part in values) - below

    raw = Cosines.of(before)
    return BeforeAfter(
        rows,
        raw,
        Cosines.of(after),
        quality.strangers(rows, *counts(after, band)),
        quality.stale(raw.mean if raw else None, *counts(before, quality.SAME)),
    )


def _before_after(rows: Rows) -> BeforeAfter:
    row = rows[0]
    count = int(row["n_rows"])
    strangers = quality.strangers(count, *_counts(row, "after"))
    return replace(_raw(rows, "before"), after=_cosine_figures(row, "after"), strangers=strangers)


def _raw(rows: Rows, name: str = "after") -> BeforeAfter:
    """Read the figures of raw vectors alone, which are columns of this name."""
    row = rows[0]
    before = _cosine_figures(row, name)
    stale = quality.stale(before.mean if before else None, *_counts(row, name))
    return BeforeAfter(int(row["n_rows"]), before, None, stale=stale)


def _cosine_figures(row: Mapping[str, Any], name: str) -> Cosines | None:
    found = [row.get(f"{name}_{figure}") for figure in ("mean", "p10", "median")]
    if any(value is None or not np.isfinite(value) for value in found):
        return None
    return Cosines(*(float(value) for value in found if value is not None))


def _counts(row: Mapping[str, Any], name: str) -> tuple[int, int]:
    return int(row.get(f"{name}_below") or 0), int(row.get(f"{name}_near") or 0)
