"""What is known of a run that is solved: its figures, and whether it may be written."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sqlstab.flow import check, figures, findings, gates, sums
from sqlstab.maths import quality

if TYPE_CHECKING:
    from sqlstab.flow.check import Checked
    from sqlstab.flow.job import Job
    from sqlstab.flow.reference import Reference
    from sqlstab.maths.balanced import Balanced
    from sqlstab.maths.solve import Matrix
    from sqlstab.statements.sides import Side
    from sqlstab.statements.statement import Flow


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
        cosines = _cosines(job, job.reference, fit, tables, balanced, omega, shared)
        found["cosine"] = yield from cosines
    elif job.map == "balanced":
        # A rotation keeps all of them: of the two kinds of maps this tells which one suits.
        matrix = balanced.maps["items"] @ omega
        found["neighbours_kept"] = yield from sums.neighbours_kept(job, tables["items"], matrix)
    found["examples"] = yield from _examples(job, tables, balanced, omega, found)
    for finding in findings.findings(found):
        # What is bad is for the gates.
        if finding.level == "doubtful":
            job.log.warn(finding.text)
    if job.reference:
        found["gates"] = gates.check(found["alignment"], job.reference.key, job.options, job.log)
    else:
        gates.unchecked(job.options, job.log)
    return found


def _cosines(
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
        cosines = yield from sums.cosines(
            job,
            tables[name],
            member,
            balanced.maps[side] @ omega,
            back if comparable else None,
            share=_sampled(shared[name]),
            band=quality.Band.of(level, omega.shape[1]),
        )
        found[name] = asdict(cosines)
    return found


def _sampled(shared: int) -> float:
    """Return the share of the shared ids that figures of single rows are taken of."""
    return min(1.0, quality.SAMPLED_ROWS / max(shared, 1))


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
            share = _sampled(found["shared"][name])
            ids = yield from sums.least_alike(job, table, member, matrix, share)
            examples["strangers"][name] = ids
    return examples
