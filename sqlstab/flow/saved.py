"""Saved sums: what a client of the database printed, read, checked, and solved for the maps.

A row is (side, i, j, value, n_rows), 1-based, and may name its run. A Gram matrix has the entries
i <= j. What is summed over the ids that a run and the reference share has `half` too, and `kind`
says which sum a row is of: `cross` (x'y of raw rows x and stable rows y, both ending with a 1),
`run` (x'x) or `reference` (y'y).

The rows are plain: to give them length one takes the maps first, which the sums are to give. So the
maps are those of a run with `plain_rows`.
"""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from sqlstab import saved
from sqlstab.errors import DataError, UsageError
from sqlstab.maths import quality, solve
from sqlstab.maths.maps import Maps
from sqlstab.maths.quality import SharedSums
from sqlstab.statements.sides import SIDES, VECTORS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlstab.maths.quality import Agreement
    from sqlstab.maths.solve import Matrix
    from sqlstab.statements.sides import Side

Kind = Literal["gram", "cross", "run", "reference"]

COLUMNS = ("side", "i", "j", "value", "n_rows")
_NAMES: dict[Kind, str] = {
    "gram": "Gram matrix",
    "cross": "cross Gram matrix",
    "run": "Gram matrix of the shared ids",
    "reference": "Gram matrix of the reference's shared ids",
}
_STATEMENTS: dict[str, str] = {"gram": "sqlstab sql gram", "cross": "sqlstab sql cross-gram"}
# Of more rows, some are in each half of the ids.
_MOST_IN_ONE_HALF = 32
# Fewer digits are no float64 number in full.
_DIGITS = 12
# Denominator of a number that float64 may well hold in few digits.
_SHORT = 2**20
# Whole numbers up to here are float64 numbers, as some clients print counts.
_LARGEST = 2**53


@dataclass(frozen=True)
class Source:
    """What was saved.

    Attributes:
        name: Its name in messages.
        data: Its bytes: CSV with a header, JSON values one after the other, or Parquet.
        kind: The sums that it holds, where its rows do not say so themselves.
    """

    name: str
    data: bytes
    kind: Literal["gram", "cross"]


@dataclass(frozen=True)
class Sum:
    """A matrix of sums, and over how many rows."""

    matrix: Matrix
    rows: int


@dataclass(frozen=True)
class Sums:
    """All that maps are solved from.

    Attributes:
        grams: The Gram matrix of each side, (e, e).
        halves: For each side that is aligned, the sums over both halves of the shared ids.
        shared: How many ids they are.
        judged: Whether the Gram matrices of the shared ids are among the sums; else they are zero.
        run: The key of their run; None where they do not say.
        warnings: What a user should know.
    """

    grams: Mapping[Side, Sum]
    halves: Mapping[Side, tuple[SharedSums, SharedSums]]
    shared: Mapping[Side, int]
    judged: bool
    run: str | None
    warnings: Sequence[str]


@dataclass(frozen=True)
class Solved:
    """What saved sums give.

    Attributes:
        maps: The maps.
        singular_values: Of the scores; None for vectors without a second side.
        agreement: That of held-out ids; None for a first run, and where the Gram matrices of the
            shared ids were not saved.
        warnings: What a user should know.
    """

    maps: Maps
    singular_values: Matrix | None
    agreement: Agreement | None
    warnings: list[str]


@dataclass(frozen=True)
class _Entry:
    """One entry of a matrix, and the line or row that it was read from."""

    where: str
    i: int
    j: int
    value: float
    rows: int
    run: str | None

    @property
    def file(self) -> str:
        return self.where.rpartition(", ")[0]


_Key = tuple[Kind, str, int]


def load(sources: Sequence[Source]) -> Sums:
    """Read and check saved sums.

    Raises:
        DataError: Something is missing, stands twice, or cannot be.
    """
    entries: dict[_Key, list[_Entry]] = {}
    runs: dict[str | None, str] = {}
    warnings = []
    for source in sources:
        digits = 0
        for key, entry in _entries(source):
            entries.setdefault(key, []).append(entry)
            runs.setdefault(entry.run, entry.where)
            digits = max(digits, _digits(entry.value))
        if 0 < digits < _DIGITS:
            warnings.append(
                f"No value in {source.name} has more than {digits} digits: the client has rounded "
                "them, so the axes are accurate to these only; scores are still exact. Print all "
                "17 digits."
            )
    if len(runs) > 1:
        said = [
            f"{where} of {f'run {k}' if k else 'a run without a key'}" for k, where in runs.items()
        ]
        raise DataError(
            f"These are sums of several runs, {' and '.join(said[:2])}: give those of one run, "
            f"which {' and '.join(_STATEMENTS.values())} print with the same --run."
        )
    read = " and ".join(dict.fromkeys(source.name for source in sources))
    alone = any(side == VECTORS for _, side, _ in entries)
    sides = (VECTORS,) if alone else SIDES
    if strange := {side for _, side, _ in entries} - {*sides}:
        raise DataError(f"{read}: there are sums of vectors and of {' and '.join(strange)}.")
    grams = {
        side: _gram(entries["gram", side, 0], f"the {_NAMES['gram']} of the {side}")
        for side in sides
        if ("gram", side, 0) in entries
    }
    missing = [side for side in sides if side not in grams and not alone]
    if missing:
        raise DataError(
            f"{read}: there is no {_NAMES['gram']} of the {' and '.join(missing)}; both sides are "
            f"needed: run the statement of {_STATEMENTS['gram']}, and give its output as --gram."
        )
    sizes = {side: len(gram.matrix) for side, gram in grams.items()}
    if len({*sizes.values()}) > 1:
        raise DataError(
            f"{read}: the {_NAMES['gram']} of the users has {sizes['users']} dimensions, that of "
            f"the items {sizes['items']}: scores are dot products, so both need the same number. "
            "Is all of the output there?"
        )
    halves, shared = {}, {}
    judged = any(kind == "run" for kind, _, _ in entries)
    for side in sides:
        if any(kind == "cross" and of == side for kind, of, _ in entries):
            halves[side], shared[side] = _halves(entries, side, sizes.get(side), judged)
        elif orphan := [key for key in entries if key[0] != "gram" and key[1] == side]:
            raise DataError(
                f"{read}: there is a {_NAMES[orphan[0][0]]} of the {side}, but no "
                f"{_NAMES['cross']}: save the output of all statements of {_STATEMENTS['cross']}."
            )
    return Sums(grams, halves, shared, judged, next(iter(runs)), warnings)


def _digits(value: float) -> int:
    """Count the decimal digits of a number; 0 for a short binary one, which has few by nature."""
    if value.as_integer_ratio()[1] <= _SHORT:
        return 0
    return len(Decimal(repr(value)).as_tuple().digits)


# ---- Rows ----------------------------------------------------------------------------------------


def _entries(source: Source) -> Iterator[tuple[_Key, _Entry]]:
    """Read the entries of what was saved, each with its kind, side and half."""
    seen = False
    for where, row in _rows(source):
        seen = True
        kind = next((k for k in _NAMES if k == row.get("kind", source.kind)), None)
        if kind is None:
            raise DataError(
                f"{where}: the kind is {saved.shown(row['kind'])}; it can be {', '.join(_NAMES)}."
            )
        wanted = COLUMNS if kind == "gram" else (*COLUMNS, "half")
        missing = [name for name in wanted if name not in row]
        if missing:
            raise DataError(
                f"{where}: there is no column {' and no column '.join(missing)} among "
                f"{', '.join(row)[:300] or 'none'}; print all columns of "
                f"{_STATEMENTS[source.kind]}, with their names."
            )
        side = str(row["side"]).strip().lower()
        if side not in (*SIDES, VECTORS):
            raise DataError(
                f"{where}: the side is {saved.shown(row['side'])}; it can be users, items or "
                "vectors."
            )
        half = 0 if kind == "gram" else _index(row["half"], "half", where, 0, 1)
        entry = _Entry(
            where,
            _index(row["i"], "i", where),
            _index(row["j"], "j", where),
            _value(row["value"], where),
            _index(row["n_rows"], "n_rows", where, 0),
            None if row.get("run") is None else str(row["run"]),
        )
        if kind != "cross" and entry.i > entry.j:
            raise DataError(
                f"{where}: the {_NAMES[kind]} of the {side} has an entry with i > j, which only a "
                f"{_NAMES['cross']} has: were --gram and --cross mixed up?"
            )
        yield (kind, side, half), entry
    if not seen:
        raise DataError(
            f"{source.name}: there are no rows; give it the output of "
            f"{_STATEMENTS[source.kind]}, run by a client of the database."
        )


def _index(value: Any, name: str, where: str, least: int = 1, most: int = _LARGEST) -> int:
    try:
        number = float(value)
    except (OverflowError, TypeError, ValueError):
        number = -1.0
    if isinstance(value, bool) or not number.is_integer() or not least <= number <= most:
        to = "on" if most == _LARGEST else f"to {most}"
        raise DataError(
            f"{where}: {name} is {saved.shown(value)}, not a whole number from {least} {to}."
        )
    return int(number)


def _value(value: Any, where: str) -> float:
    text = str(value).strip().lower()
    if value is None or text in ("", "null", "\\n"):
        raise DataError(
            f"{where}: the value is NULL: a component was NULL or no row was summed. sqlstab sql "
            "check shows what is wrong."
        )
    try:
        number = float(text)
    except ValueError:
        raise DataError(
            f"{where}: the value is {saved.shown(value)}, which is not a number."
        ) from None
    if not np.isfinite(number):
        raise DataError(
            f"{where}: the value is {saved.shown(value)}, not finite: a component is not, or sums "
            "of squares overflow. sqlstab sql check shows what is wrong; or divide the vectors of "
            "that table by a constant."
        )
    return number


def _rows(source: Source) -> Iterator[tuple[str, dict[str, Any]]]:
    """Read rows with lower-case names, each with where it stands."""
    if source.data[:4] == b"PAR1":
        rows = _parquet_rows(source)
    else:
        try:
            text = source.data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = source.data[: error.start].count(b"\n") + 1
            raise DataError(f"{source.name}, line {line}: this is not UTF-8 text.") from None
        read = _json_rows if text.lstrip()[:1] in ("[", "{") else _csv_rows
        rows = read(text, source.name)
    for where, row in rows:
        yield where, {str(name).strip().lower(): value for name, value in row.items()}


def _parquet_rows(source: Source) -> Iterator[tuple[str, dict[str, Any]]]:
    import pyarrow as pa  # noqa: PLC0415 - other formats do without

    from sqlstab import parquet  # noqa: PLC0415

    try:
        # Text that is not UTF-8, and times beyond what Python has, are noticed only as values.
        rows = parquet.read(pa.BufferReader(source.data)).to_pylist()
    except (pa.ArrowException, OSError, OverflowError, ValueError) as error:
        raise DataError(f"{source.name} is not a whole Parquet file: {error}") from error
    for number, row in enumerate(rows, start=1):
        yield f"{source.name}, row {number}", row


def _json_rows(text: str, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Read JSON values, one after the other: objects, or arrays of objects."""
    position, number = 0, 0
    between = re.compile(r"\s*")
    while (position := between.match(text, position).end()) < len(text):  # type: ignore[union-attr]
        try:
            value, position = saved.DECODER.raw_decode(text, position)
        except json.JSONDecodeError as error:
            raise DataError(
                f"{name}, line {error.lineno}: this is not JSON ({error.msg}), though it begins as "
                "such; print results only, and all of them."
            ) from None
        # Numbers of thousands of digits, a key that stands twice.
        except (RecursionError, ValueError) as error:
            problem = "nested too deeply" if isinstance(error, RecursionError) else error
            raise DataError(f"{name}, row {number + 1} on: {problem}.") from None
        for row in value if isinstance(value, list) else [value]:
            number += 1
            if not isinstance(row, dict):
                raise DataError(
                    f"{name}, row {number}: {json.dumps(row)[:80]} is not an object with columns."
                )
            yield f"{name}, row {number}", row


def _csv_rows(text: str, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Read CSV; results that follow each other each have a header."""
    remedy = "print results as CSV with a header or as JSON, and nothing else."
    reader = csv.reader(text.splitlines(), skipinitialspace=True)
    header: list[str] = []
    try:
        for cells in reader:
            names = [cell.strip().lower() for cell in cells]
            where = f"{name}, line {reader.line_num}"
            if not any(names):
                continue
            if "n_rows" in names:
                header = names
            elif not header:
                raise DataError(
                    f"{where}: {', '.join(cells)[:80]!r} is neither JSON nor a header with "
                    f"{', '.join(COLUMNS)}; {remedy}"
                )
            elif len(cells) != len(header):
                raise DataError(
                    f"{where}: {','.join(cells)[:80]!r} has {len(cells)} columns, not "
                    f"{len(header)}; {remedy}"
                )
            else:
                yield where, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise DataError(
            f"{name}, line {reader.line_num}: this is not CSV ({error}); {remedy}"
        ) from None


# ---- Matrices ------------------------------------------------------------------------------------


def _gram(entries: list[_Entry], about: str, size: int | None = None) -> Sum:
    rows = _same_rows(entries, about)
    size = size or max(entry.j for entry in entries)
    matrix = _filled(entries, (size, size), about, triangular=True)
    matrix = np.triu(matrix) + np.triu(matrix, 1).T
    _check_semidefinite(matrix, rows, about, entries[0])
    return Sum(matrix, rows)


def _halves(
    entries: Mapping[_Key, list[_Entry]], side: Side, size: int | None, judged: bool
) -> tuple[tuple[SharedSums, SharedSums], int]:
    """Return the sums over both halves of the shared ids, and how many ids these are."""
    crosses = [entries.get(("cross", side, half), []) for half in (0, 1)]
    every = crosses[0] + crosses[1]
    about = f"the {_NAMES['cross']} of the {side}"
    shape = max(entry.i for entry in every), max(entry.j for entry in every)
    if size is not None and shape[0] != size + 1:
        raise DataError(
            f"{every[0].file}: {about} has {shape[0]} rows, but {size} components and the constant "
            f"1 make {size + 1}: are the files of the same run, and is all of the output there?"
        )
    names = [f"{about}, half {half}," for half in (0, 1)]
    if not all(crosses) and every[0].rows > _MOST_IN_ONE_HALF:
        raise DataError(
            f"{every[0].file}: of {about} there is one half only, over {every[0].rows:,} rows, of "
            "which some are in the other half. Save the whole output, of all statements."
        )
    filled = [
        _filled(own, shape, name, triangular=False) if own else None
        for own, name in zip(crosses, names, strict=True)
    ]
    found, count = [], 0
    for half, (own, name, known) in enumerate(zip(crosses, names, filled, strict=True)):
        # Of few ids all may be in the other half.
        matrix = np.zeros(shape) if known is None else known
        count += _same_rows(own, name) if own else 0
        grams = []
        for kind, width in _of_shared(shape):
            rows = entries.get((kind, side, half), [])
            if judged and own and not rows:
                raise DataError(
                    f"{own[0].file}: there is {name} but no {_NAMES[kind]}: save the output "
                    f"of all statements of {_STATEMENTS['cross']}."
                )
            text = f"the {kind}'s Gram matrix of the shared {side}, half {half},"
            grams.append(_gram(rows, text, width).matrix if rows else np.zeros((width, width)))
        if own and judged:
            # Of the rows (x, y, 1): what belongs together is a Gram matrix, too.
            whole = np.block([[grams[0], matrix[:-1]], [matrix[:-1].T, np.zeros((shape[1],) * 2)]])
            whole[shape[0] - 1 : -1, shape[0] - 1 : -1] = grams[1]
            whole[-1, shape[0] - 1 :] = whole[shape[0] - 1 :, -1] = matrix[-1]
            together = f"{name} with the Gram matrices of the shared ids,"
            _check_semidefinite(whole, own[0].rows, together, own[0])
        found.append(SharedSums.of(matrix, *grams))
    return (found[0], found[1]), count


def _of_shared(shape: tuple[int, int]) -> tuple[tuple[Kind, int], tuple[Kind, int]]:
    """Return the Gram matrices that belong to a cross Gram matrix, and their sizes."""
    return ("run", shape[0] - 1), ("reference", shape[1] - 1)


def _same_rows(entries: list[_Entry], about: str) -> int:
    """Return the number of rows that were summed, which must be the same in each entry."""
    first = entries[0]
    other = next((entry for entry in entries if entry.rows != first.rows), None)
    if other:
        raise DataError(
            f"{other.where}: {about} is a sum over {other.rows:,} rows here, and over "
            f"{first.rows:,} in {first.where}: the table has changed between two statements, or "
            "results of several runs are mixed. Run all statements again, on a table that stays "
            "as it is."
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
    """Return the matrix of the entries, each of which must be there once."""
    seen: dict[tuple[int, int], _Entry] = {}
    for entry in entries:
        place = entry.i, entry.j
        if place in seen:
            raise DataError(
                f"{entry.where}: {about} has the entry i = {entry.i}, j = {entry.j} a second time "
                f"(after {seen[place].where}). Give the output of one run only, and each file once."
            )
        seen[place] = entry
    # One by one: a damaged index makes them more than there is room for.
    wanted = (
        (i, j) for i in range(1, shape[0] + 1) for j in range(i if triangular else 1, shape[1] + 1)
    )
    count = shape[0] * (shape[0] + 1) // 2 if triangular else shape[0] * shape[1]
    if missing := next((place for place in wanted if place not in seen), None):
        raise DataError(
            f"{entries[0].file}: {about} has {len(seen):,} of {count:,} entries; "
            f"i = {missing[0]}, j = {missing[1]} is the first that is missing. Save the whole "
            "output, of all statements."
        )
    if len(seen) > count:
        beyond = next(
            entry
            for (i, j), entry in seen.items()
            if i > shape[0] or j > shape[1] or (triangular and j < i)
        )
        raise DataError(
            f"{beyond.where}: {about} has the entry i = {beyond.i}, j = {beyond.j}, but the other "
            f"sums are of {shape[0]} x {shape[1]} entries: are the files of the same run?"
        )
    matrix = np.zeros(shape)
    for (i, j), entry in seen.items():
        matrix[i - 1, j - 1] = entry.value
    return matrix


def _check_semidefinite(gram: Matrix, rows: int, about: str, entry: _Entry) -> None:
    """Check that no eigenvalue is negative but for rounding errors, as of sums of squares."""
    diagonal = np.diag(gram)
    scale = np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    with np.errstate(over="ignore"):
        scaled = gram / scale / scale[:, None]
    # No product is larger than the squares allow.
    possible = diagonal.min() >= 0 and np.abs(scaled).max() <= 1 + 1e-6
    values = np.linalg.eigvalsh(scaled) if possible else np.array([-1.0, 1.0])
    # Rounding errors of the sums, as a random walk.
    tolerance = 64 * solve.EPS * (len(gram) + np.sqrt(rows))
    if values[0] < -tolerance * values[-1]:
        raise DataError(
            f"{entry.file}: {about} is not positive semidefinite (smallest eigenvalue "
            f"{values[0] / values[-1]:.0e} of the largest, with unit diagonal), so these are not "
            "sums of products over the same rows. Did the client round the numbers, or did the "
            "engine sum 4-byte numbers? Print all 17 digits, and sum in double."
        )


# ---- The maps ------------------------------------------------------------------------------------


def solved(sums: Sums, anchors: Sequence[Side] | None = None, rank: int | None = None) -> Solved:
    """Solve for the maps: steps 2 to 4 of `flow.run`, from sums of plain rows.

    Args:
        sums: The sums; without shared ones it is the first run of a space.
        anchors: The sides to align; None for all that there are sums of.
        rank: Keep at most so many dimensions.

    Raises:
        DataError: The sums cannot be worked with.
        UsageError: There are no sums of an anchor, or of what the rank is to be found in.
    """
    warnings = [*sums.warnings]
    matrices, values, invertible = _axes(sums, rank, warnings)
    raw, width = next(iter(matrices.values())).shape
    sides = tuple(anchors or sums.halves)
    for side in sides:
        if side not in sums.halves:
            raise UsageError(
                f"--anchor: the {side} are to be aligned, but there is no {_NAMES['cross']} of "
                f"them: run the statement of {_STATEMENTS['cross']} for them, and give its output "
                "as --cross."
            )
    agreement = None
    if not sides:
        omega = solve.first_alignment(width, min(rank or raw, raw))
    else:
        parts = [[half.mapped(matrices[side]) for half in sums.halves[side]] for side in sides]
        first, second = (
            halves[0] if len(halves) == 1 else halves[0] + halves[1]
            for halves in zip(*parts, strict=True)
        )
        cross = first.cross + second.cross
        largest = float(np.abs(cross).max())
        if not np.isfinite(largest) or largest == 0:
            what = "overflow" if largest else "are zero"
            raise DataError(
                f"The {_NAMES['cross']} cannot be worked with: its entries {what}, so there is "
                "nothing to align."
            )
        # Neither the alignment nor its figures depend on a common factor; squares may overflow.
        first, second = first * (1 / largest), second * (1 / largest)
        alignment = solve.align(cross / largest)
        omega = alignment.omega
        count = sum(sums.shared[side] for side in sides)
        judged = sums.judged and first.is_finite and second.is_finite
        reference = first.reference + second.reference if judged else np.eye(cross.shape[1])
        warnings += quality.alignment_warnings(alignment, reference, count)
        if judged:
            agreement = quality.agreement((first, second), count, width, " and ".join(sides))
            if agreement.verdict != "alignable":
                warnings.append(f"The alignment is {agreement.verdict}. {agreement.reason}")
    maps = Maps.of({side: m @ omega for side, m in matrices.items()}, None, invertible)
    return Solved(maps, values, agreement, warnings)


def _axes(
    sums: Sums, rank: int | None, warnings: list[str]
) -> tuple[dict[Side, Matrix], Matrix | None, dict[Side, bool]]:
    """Return the run's own axes by side, the singular values, and what can be turned back."""
    if VECTORS in sums.halves or VECTORS in sums.grams:
        return _axes_alone(sums, rank)
    factors = {side: solve.factor(gram.matrix, gram.rows) for side, gram in sums.grams.items()}
    balance = solve.balance(factors["users"], factors["items"], rank)
    warnings += [
        f"{side}: columns are nearly dependent (condition {factor.condition:.1e}), so the axes are "
        "accurate to few digits only; scores are still exact. sqlstab run takes a second "
        "scan, which restores the rest."
        for side, factor in factors.items()
        if solve.wants_refinement(factor, "auto")
    ]
    if balance.dropped and not rank and not sums.halves:
        warnings.append(
            f"The scores have rank {balance.rank}; {balance.dropped} of "
            f"{len(balance.items)} dimensions carry none."
        )
    return (
        {"users": balance.users, "items": balance.items},
        balance.singular_values,
        {"users": balance.users_restored, "items": balance.items_restored},
    )


def _axes_alone(
    sums: Sums, rank: int | None
) -> tuple[dict[Side, Matrix], Matrix | None, dict[Side, bool]]:
    """Return the axes of vectors without a second side: as they are, or the principal ones."""
    if rank is None:
        size = (
            len(sums.halves[VECTORS][0].run)
            if VECTORS in sums.halves
            else len(sums.grams[VECTORS].matrix)
        )
        return {VECTORS: np.eye(size)}, None, {VECTORS: True}
    if VECTORS not in sums.grams:
        raise UsageError(
            "--rank: the dimensions to keep are found in a Gram matrix; give the output of "
            f"{_STATEMENTS['gram']} as --gram."
        )
    axes = solve.principal_axes(sums.grams[VECTORS].matrix, rank)
    whole = rank >= len(axes.matrix)
    return {VECTORS: axes.matrix}, axes.singular_values, {VECTORS: whole}


# ---- Printing ------------------------------------------------------------------------------------


def map_rows(maps: Maps, run: str | None = None) -> Iterator[dict[str, Any]]:
    """Give the maps as rows (side, i, j, value), 1-based; with `run` in front if it is named."""
    for side, matrix in maps.matrices.items():
        for (i, j), value in np.ndenumerate(matrix):
            row = {"side": side, "i": i + 1, "j": j + 1, "value": float(value)}
            yield row if run is None else {"run": run, **row}


def printed(rows: Iterator[dict[str, Any]], form: str) -> bytes:
    """Return rows as `json` (an object a line), `csv` or `parquet`; no digit is lost."""
    if form == "json":
        return "".join(f"{json.dumps(row)}\n" for row in rows).encode()
    listed = list(rows)
    if form == "parquet":
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415

        buffer = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(listed), buffer)
        return buffer.getvalue()
    text = io.StringIO()
    writer = csv.DictWriter(text, list(listed[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(listed)
    return text.getvalue().encode()
