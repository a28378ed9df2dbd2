"""Saved sums: what a client of the database printed, checked, and the transform that they give.

A Gram matrix is rows (side, i, j, value, n_rows) with 1 <= i <= j; a cross Gram matrix has all i
and j. Clients print them in many ways: CSV with or without quotes and header, JSON as one array, as
a row per line or inside an object, several results one after the other.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sqlstab import parquet, saved
from sqlstab.compute import Gram
from sqlstab.errors import DataError
from sqlstab.maths import solve
from sqlstab.maths.maps import Transform
from sqlstab.maths.quality import alignment_warnings
from sqlstab.statements.table import SIDES, Side

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlstab.maths.solve import Matrix

Kind = Literal["gram", "cross"]

# Whole numbers up to here are float64 numbers, as some clients print counts.
_LARGEST = 2**53

COLUMNS = ("side", "i", "j", "value", "n_rows")
# Says which matrix a row is of, where both are in one file.
KIND = "kind"
_NAMES: dict[Kind, str] = {"gram": "Gram matrix", "cross": "cross Gram matrix"}
_STATEMENTS: dict[str, str] = {
    "gram": "sqlstab render gram",
    "cross": "sqlstab render cross-gram",
}


@dataclass(frozen=True)
class Source:
    """What was saved.

    Attributes:
        name: Its name in messages.
        data: Its bytes.
        kind: The matrices that it holds, unless its rows say so themselves.
    """

    name: str
    data: bytes
    kind: Kind


@dataclass(frozen=True)
class _Entry:
    """One entry of a matrix, and the line or row that it was read from."""

    where: str
    i: int
    j: int
    value: float
    rows: int


@dataclass(frozen=True)
class Sums:
    """All that a transform is solved from.

    Attributes:
        grams: The Gram matrix of each side, (e, e).
        crosses: The cross Gram matrix of each side that holds the space in place, (e, d), and the
            number of shared ids. Empty for a first run.
    """

    grams: dict[Side, Gram]
    crosses: dict[Side, Gram]


class Reference(Protocol):
    """What must be known of the run whose space to stay in: a `Transform` is one."""

    @property
    def run_id(self) -> str:
        """Its name."""

    @property
    def dimension(self) -> int:
        """Components of its stable vectors."""


def load(sources: Sequence[Source], reference: Reference | None) -> Sums:
    """Read and check saved sums.

    Args:
        sources: What was saved.
        reference: The run whose space to stay in; None for a first run.

    Raises:
        DataError: Something is missing, stands twice, or cannot be.
    """
    entries: dict[tuple[Kind, Side], list[_Entry]] = {}
    for source in sources:
        for kind, side, entry in _entries(source):
            entries.setdefault((kind, side), []).append(entry)
    for (kind, side), rows in entries.items():
        if kind == "gram":
            _check_triangular(rows, side)
    read = " and ".join(dict.fromkeys(source.name for source in sources))
    crosses = [side for side in SIDES if ("cross", side) in entries]
    for side in SIDES:
        if ("gram", side) not in entries:
            beside = f" beside the {_NAMES['cross']}" if crosses else ""
            raise DataError(
                f"{read}: there is no {_NAMES['gram']} of the {side}{beside}; both sides are "
                f"needed: run the statement of {_STATEMENTS['gram']} with --users and --items, and "
                "give its output as --gram."
            )
    if crosses and reference is None:
        raise DataError(
            f"{read}: there is a {_NAMES['cross']} of the {crosses[0]}, but no reference: name "
            "the run that it was taken with, with --reference."
        )
    if reference is not None and not crosses:
        raise DataError(
            f"{read}: there is no {_NAMES['cross']} to stay in the space of {reference.run_id}: "
            f"run the statement of {_STATEMENTS['cross']}, and give its output as --cross."
        )
    grams = {side: _gram(entries["gram", side], side) for side in SIDES}
    sizes = {side: len(gram.matrix) for side, gram in grams.items()}
    if sizes["users"] != sizes["items"]:
        raise DataError(
            f"{read}: the {_NAMES['gram']} of the users has {sizes['users']} dimensions, that of "
            f"the items {sizes['items']}: scores are dot products, so both need the same number. "
            "Is all of the output there?"
        )
    if reference is None:
        return Sums(grams, {})
    found = {side: _cross(entries["cross", side], side, grams[side], reference) for side in crosses}
    return Sums(grams, found)


def _entries(source: Source) -> Iterator[tuple[Kind, Side, _Entry]]:
    """The entries of what was saved, with kind and side."""
    seen = 0
    for where, row in _rows(source):
        seen += 1
        missing = [name for name in COLUMNS if name not in row]
        if missing:
            raise DataError(
                f"{where}: there is no column {' and no column '.join(missing)} among "
                f"{', '.join(map(str, row))[:300] or 'none'}; print all columns of "
                f"{_STATEMENTS[source.kind]}, with their names."
            )
        written = row.get(KIND, source.kind)
        kind = next((known for known in _NAMES if known == written), None)
        side = next((s for s in SIDES if s == str(row["side"]).strip().lower()), None)
        if side is None:
            raise DataError(
                f"{where}: the side is {saved.shown(row['side'])}; it can be users or items."
            )
        if kind is None:
            raise DataError(
                f"{where}: the {KIND} is {saved.shown(written)}; it can be {' or '.join(_NAMES)}."
            )
        yield (
            kind,
            side,
            _Entry(
                where,
                _index(row["i"], "i", where),
                _index(row["j"], "j", where),
                _value(row["value"], where),
                _index(row["n_rows"], "n_rows", where, least=0),
            ),
        )
    if not seen:
        raise DataError(
            f"{source.name}: there are no rows; give it the output of "
            f"{_STATEMENTS[source.kind]}, run by a client of the database."
        )


def _index(value: Any, name: str, where: str, least: int = 1) -> int:
    try:
        number = float(value)
    except (OverflowError, TypeError, ValueError):
        number = -1.0
    if isinstance(value, bool) or not number.is_integer() or not least <= number <= _LARGEST:
        raise DataError(
            f"{where}: {name} is {saved.shown(value)}, not a whole number from {least} on."
        )
    return int(number)


def _value(value: Any, where: str) -> float:
    text = str(value).strip().lower()
    if value is None or text in ("", "null", "\\n", "none"):
        raise DataError(
            f"{where}: the value is NULL: a component was NULL or no row was summed. See what is "
            "wrong with sqlstab render check."
        )
    try:
        number = float(text)
    except ValueError:
        raise DataError(
            f"{where}: the value is {saved.shown(value)}, which is no number."
        ) from None
    if not np.isfinite(number):
        raise DataError(
            f"{where}: the value is {saved.shown(value)}, not finite: a component is, or sums of "
            "squares overflow. See what is wrong with sqlstab render check, or divide the vectors "
            "of both sides by a constant."
        )
    return number


def _rows(source: Source) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows with lower-case names, each with where it stands."""
    if source.data[:4] == b"PAR1":
        yield from _parquet_rows(source)
        return
    text = _text(source)
    if text.lstrip()[:1] in ("[", "{"):
        rows = _json_rows(text, source.name)
    else:
        rows = _csv_rows(text, source.name)
    for where, row in rows:
        yield where, {str(name).strip().lower(): value for name, value in row.items()}


def _text(source: Source) -> str:
    # What PowerShell redirects into a file is UTF-16.
    is_wide = source.data[:2] in (b"\xff\xfe", b"\xfe\xff")
    try:
        return source.data.decode("utf-16" if is_wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = source.data[: error.start].count(b"\n") + 1
        raise DataError(f"{source.name}, line {line}: this is no text in UTF-8.") from None


def _parquet_rows(source: Source) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        # Texts that are not UTF-8, and times beyond what Python has, are noticed only as values.
        rows = parquet.read(pa.BufferReader(source.data)).to_pylist()
    except (pa.ArrowException, OSError, OverflowError, ValueError) as error:
        raise DataError(f"{source.name} is no whole Parquet file: {error}") from error
    for number, row in enumerate(rows, start=1):
        yield f"{source.name}, row {number}", {name.lower(): v for name, v in row.items()}


def _json_rows(text: str, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of JSON values, one after the other: arrays, objects that are rows or hold them."""
    position, number = 0, 0
    between = re.compile(r"[\s,;]*")
    while (position := between.match(text, position).end()) < len(text):  # type: ignore[union-attr]
        try:
            value, position = saved.DECODER.raw_decode(text, position)
        except json.JSONDecodeError as error:
            raise DataError(
                f"{name}, line {error.lineno}: this is no JSON ({error.msg}), though it begins as "
                "such; print results only, and all of them."
            ) from None
        # Numbers of thousands of digits, a key that stands twice.
        except (RecursionError, ValueError) as error:
            problem = "nested too deeply" if isinstance(error, RecursionError) else error
            raise DataError(f"{name}, row {number + 1} on: {problem}.") from None
        for row in _rows_of(value):
            number += 1
            where = f"{name}, row {number}"
            if not isinstance(row, dict):
                raise DataError(f"{where}: {json.dumps(row)[:80]} is no object with columns.")
            yield where, row


def _rows_of(value: Any) -> list[Any]:
    """The rows that a JSON value holds."""
    if isinstance(value, dict) and isinstance(value.get("data"), list):
        # ClickHouse: {"meta": [{"name": ...}], "data": [...]}, rows as objects or as arrays.
        columns = value.get("meta")
        columns = columns if isinstance(columns, list) else []
        names = [str(column.get("name")) for column in columns if isinstance(column, dict)]
        return [
            dict(zip(names, row, strict=False)) if isinstance(row, list) else row
            for row in value["data"]
        ]
    return value if isinstance(value, list) else [value]


def _csv_rows(text: str, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of CSV, with any of the usual separators; headers may come again and again."""
    lines = text.splitlines()
    first = next((line for line in lines if line.strip()), "")
    separator = max(",\t;|", key=first.count)
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=True)
    header: list[str] = []
    for cells in _cells(reader, name):
        if not any(cell.strip() for cell in cells):
            continue
        where = f"{name}, line {reader.line_num}"
        if not header:
            header = _header(cells, where)
            if header == list(COLUMNS) and cells[0].strip().lower() in SIDES:
                yield where, dict(zip(header, cells, strict=True))
            continue
        if [cell.strip().lower() for cell in cells] == header:
            continue
        if len(cells) != len(header):
            raise DataError(
                f"{where}: {separator.join(cells)[:80]!r} has {len(cells)} columns, not "
                f"{len(header)}; print results as CSV or JSON, and nothing else (psql -q --csv, "
                "duckdb -csv, ...)."
            )
        yield where, dict(zip(header, cells, strict=True))


def _cells(reader: Any, name: str) -> Iterator[list[str]]:
    try:
        yield from reader
    except csv.Error as error:
        raise DataError(
            f"{name}, line {reader.line_num}: this is no CSV ({error}); print results as CSV or "
            "JSON, and nothing else (psql -q --csv, duckdb -csv, ...)."
        ) from None


def _header(cells: list[str], where: str) -> list[str]:
    names = [cell.strip().lower() for cell in cells]
    if len(cells) == len(COLUMNS) and names[0] in SIDES:
        # Some clients print no header unless asked; the order of the columns is known.
        return list(COLUMNS)
    if not set(COLUMNS) <= set(names):
        raise DataError(
            f"{where}: {', '.join(cells)[:80]!r} is neither JSON nor a header with "
            f"{', '.join(COLUMNS)}; print results as CSV or JSON, and nothing else (psql -q --csv, "
            "duckdb -csv, ...)."
        )
    return names


def _gram(entries: list[_Entry], side: Side) -> Gram:
    about = f"the {_NAMES['gram']} of the {side}"
    rows = _same_rows(entries, about)
    size = max(max(entry.i, entry.j) for entry in entries)
    matrix = _filled(entries, (size, size), about, triangular=True)
    matrix = np.triu(matrix) + np.triu(matrix, 1).T
    _check_semidefinite(matrix, rows, about, entries[0])
    return Gram(matrix, rows)


def _cross(entries: list[_Entry], side: Side, gram: Gram, reference: Reference) -> Gram:
    about = f"the {_NAMES['cross']} of the {side}"
    shared = _same_rows(entries, about)
    where = _file(entries[0])
    if shared > gram.rows:
        raise DataError(
            f"{where}: {about} is a sum over {shared:,} shared ids, but there are {gram.rows:,} "
            f"{side} only: ids stand twice in one of the tables, or the two files are of "
            "different runs."
        )
    sizes = max(entry.i for entry in entries), max(entry.j for entry in entries)
    wanted = len(gram.matrix), reference.dimension
    if any(size > most for size, most in zip(sizes, wanted, strict=True)):
        raise DataError(
            f"{where}: {about} has {sizes[0]} x {sizes[1]} entries, but the vectors of this run "
            f"have {wanted[0]} components and those of run {reference.run_id} {wanted[1]}: is it "
            "this reference, and are the files of the same run?"
        )
    matrix = _filled(entries, wanted, about, triangular=False)
    return Gram(matrix, shared)


def _check_triangular(entries: list[_Entry], side: Side) -> None:
    """A Gram matrix is symmetric, and half of it is saved."""
    below = [entry for entry in entries if entry.i > entry.j]
    if below:
        raise DataError(
            f"{below[0].where}: the {_NAMES['gram']} of the {side} has {len(below):,} entries with "
            f"i > j, which only a {_NAMES['cross']} has: were --gram and --cross mixed up?"
        )


def _file(entry: _Entry) -> str:
    return entry.where.rsplit(", ", maxsplit=1)[0]


def _place(entry: _Entry) -> str:
    """The line or the row."""
    return entry.where.rsplit(", ", maxsplit=1)[1]


def _same_rows(entries: list[_Entry], about: str) -> int:
    """The number of rows that were summed, which must be the same in each entry."""
    first = entries[0]
    other = next((entry for entry in entries if entry.rows != first.rows), None)
    if other:
        counts = Counter(entry.rows for entry in entries)
        raise DataError(
            f"{other.where}: {about} is a sum over {other.rows:,} rows here, and over "
            f"{first.rows:,} in {_place(first)} ({len(counts)} different "
            "numbers in all): the table has changed between two statements, or results of several "
            "runs are mixed. Run all statements again, on a table that stays as it is."
        )
    if first.rows == 0:
        raise DataError(
            f"{first.where}: {about} is a sum over no rows; is the table empty, is a filter too "
            "narrow, or do the ids differ?"
        )
    return first.rows


def _filled(
    entries: list[_Entry], shape: tuple[int, int], about: str, *, triangular: bool
) -> Matrix:
    """The matrix of the entries, each of which must be there once."""
    seen: dict[tuple[int, int], _Entry] = {}
    for entry in entries:
        place = entry.i, entry.j
        if place in seen:
            twice = len(entries) - len({(entry.i, entry.j) for entry in entries})
            raise DataError(
                f"{entry.where}: {about} has the entry i = {entry.i}, j = {entry.j} a second time "
                f"(after {_place(seen[place])}); {twice:,} entries are there more than once. Give "
                "the output of one run only, and each file once."
            )
        seen[place] = entry
    height, width = shape
    wanted = height * (height + 1) // 2 if triangular else height * width
    if len(seen) < wanted:
        i, j = next(
            (i, j)
            for i in range(1, height + 1)
            for j in range(i if triangular else 1, width + 1)
            if (i, j) not in seen
        )
        raise DataError(
            f"{_file(entries[0])}: {about} has {len(seen):,} of {wanted:,} entries; i = {i}, "
            f"j = {j} is the first that is missing. Save the whole output, of all statements."
        )
    matrix = np.zeros(shape)
    for (i, j), entry in seen.items():
        matrix[i - 1, j - 1] = entry.value
    return matrix


def _check_semidefinite(gram: Matrix, rows: int, about: str, entry: _Entry) -> None:
    """No sums of squares give a negative eigenvalue, but for rounding errors."""
    diagonal = np.diag(gram)
    scale = np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    values = np.linalg.eigvalsh(gram / scale / scale[:, None])
    # Rounding errors of the sums, as a random walk.
    tolerance = 64 * solve.EPS * (len(gram) + np.sqrt(rows))
    if diagonal.min() < 0 or values[0] < -tolerance * values[-1]:
        raise DataError(
            f"{_file(entry)}: {about} is not positive semidefinite (smallest eigenvalue "
            f"{values[0] / values[-1]:.0e} of the largest, with unit diagonal), so these are no "
            "sums of products over the same rows. Did the client round the numbers, or did the "
            "engine sum 4-byte numbers? Print all 17 digits, and sum in double."
        )


def transform(
    sums: Sums,
    reference: Reference | None,
    *,
    weights: Mapping[Side, float] | None,
    rank: int | None,
    run_id: str,
) -> tuple[Transform, list[str]]:
    """Solve for the two maps.

    Args:
        sums: The sums.
        reference: The run whose space to stay in; None for a first run.
        weights: How much each side holds the space in place; None for all sides that there is a
            cross Gram matrix of, equally.
        rank: Keep at most so many dimensions.
        run_id: The name of this run.

    Returns:
        The transform, and what should be said of it.

    Raises:
        DataError: The sums cannot be worked with.
    """
    factors = {side: solve.factor(gram.matrix, gram.rows) for side, gram in sums.grams.items()}
    balance = solve.balance(factors["users"], factors["items"], rank)
    raw = balance.items.shape[0]
    warnings = [
        f"{side}: columns are nearly dependent (condition {factor.condition:.1e}), so the axes are "
        "accurate to few digits only; scores are exact all the same. A second scan would mend it: "
        "sqlstab run takes it."
        for side, factor in factors.items()
        if solve.wants_refinement(factor, "auto")
    ]
    if balance.dropped and not rank:
        warnings.append(
            f"The scores have rank {balance.rank}; {balance.dropped} of {raw} dimensions carry "
            "none."
        )
    if reference is None:
        omega = solve.first_alignment(balance.rank, min(rank or raw, raw))
    else:
        omega, about = _aligned(sums, balance, reference, weights or dict.fromkeys(sums.crosses, 1))
        warnings += about
    result = Transform.from_factors(
        run_id=run_id,
        reference=reference.run_id if reference else None,
        singular_values=balance.singular_values,
        balanced={"users": balance.users, "items": balance.items},
        omega=omega,
        invertible={"users": balance.users_restored, "items": balance.items_restored},
    )
    return result, warnings


def _aligned(
    sums: Sums, balance: solve.Balance, reference: Reference, weights: Mapping[Side, float]
) -> tuple[Matrix, list[str]]:
    """Omega, and what should be said of it."""
    total: Any = 0.0
    anchors = 0
    for side, weight in weights.items():
        if side not in sums.crosses:
            there = " and ".join(sums.crosses)
            raise DataError(
                f"The {side} are to hold the space in place, but there is a {_NAMES['cross']} of "
                f"the {there} only: run the statement of {_STATEMENTS['cross']} --{side} too, or "
                f"say --anchor {there}."
            )
        matrix = balance.users if side == "users" else balance.items
        cross = sums.crosses[side]
        anchors += cross.rows
        with np.errstate(over="ignore", invalid="ignore"):
            total = total + matrix.T @ (cross.matrix * weight)
    if not np.isfinite(total).all():
        raise DataError("The sums over the shared ids overflow; divide the weights by a constant.")
    largest = np.abs(total).max()
    if largest == 0:
        raise DataError(
            f"The {_NAMES['cross']} is zero: the shared ids have zero vectors or zero weights "
            "only; there is nothing to align."
        )
    alignment = solve.align(total / largest)
    warnings = alignment_warnings(alignment, balance.rank, anchors, reference.dimension)
    return alignment.omega, warnings


def matrix_rows(result: Transform) -> pa.Table:
    """The two maps as rows (run_id, side, i, j, value), 1-based."""
    parts = []
    for side in SIDES:
        matrix = result[side].matrix
        i, j = np.indices(matrix.shape).reshape(2, -1) + 1
        count = matrix.size
        parts.append(
            pa.table(
                {
                    "run_id": pa.array([result.run_id] * count),
                    "side": pa.array([side] * count),
                    "i": pa.array(i, pa.int32()),
                    "j": pa.array(j, pa.int32()),
                    "value": pa.array(matrix.ravel(), pa.float64()),
                }
            )
        )
    return pa.concat_tables(parts)


def sum_rows(sums: Sums) -> pa.Table:
    """Sums as rows (kind, side, i, j, value, n_rows), 1-based."""
    found: list[tuple[Kind, Side, Gram]] = [
        *(("gram", side, gram) for side, gram in sums.grams.items()),
        *(("cross", side, cross) for side, cross in sums.crosses.items()),
    ]
    parts = []
    for kind, side, gram in found:
        i, j = np.indices(gram.matrix.shape).reshape(2, -1)
        wanted = i <= j if kind == "gram" else i >= 0
        count = int(wanted.sum())
        parts.append(
            pa.table(
                {
                    KIND: pa.array([kind] * count),
                    "side": pa.array([side] * count),
                    "i": pa.array(i[wanted] + 1, pa.int32()),
                    "j": pa.array(j[wanted] + 1, pa.int32()),
                    "value": pa.array(gram.matrix.ravel()[wanted], pa.float64()),
                    "n_rows": pa.array([gram.rows] * count, pa.int64()),
                }
            )
        )
    return pa.concat_tables(parts)


def printed(rows: pa.Table, form: str) -> bytes:
    """Rows as `json` (an array of objects, one a line), `csv` or `parquet`; no digit is lost."""
    if form == "parquet":
        buffer = io.BytesIO()
        pq.write_table(rows, buffer)
        return buffer.getvalue()
    if form == "json":
        lines = ",\n".join(json.dumps(row) for row in rows.to_pylist())
        return f"[{lines}]\n".encode()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(rows.column_names)
    writer.writerows(row.values() for row in rows.to_pylist())
    return text.getvalue().encode()
