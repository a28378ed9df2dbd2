"""Data of this process as tables of an engine, and stable rows as data of this process."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlstab import prepare
from sqlstab.errors import UsageError
from sqlstab.flow.figures import several
from sqlstab.maths.maps import numbers
from sqlstab.statements import build, files, quoting, relations

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from sqlstab.engines.base import Engine
    from sqlstab.space.entry import Rows
    from sqlstab.statements.given import EmbeddingTable, FurtherTable
    from sqlstab.statements.sides import Side


@contextmanager
def registered(
    named: Mapping[Side, EmbeddingTable], engine: Engine
) -> Iterator[dict[Side, EmbeddingTable]]:
    """Let statements read tables that are given as data: frames, Arrow tables, arrays.

    Raises:
        UsageError: The engine does not read such data.
    """
    found = dict(named)
    with ExitStack() as stack:
        for side, table in named.items():
            if isinstance(table.relation, str):
                continue
            if engine.frames is None:
                raise UsageError(
                    f"{side}: {engine.dialect.name} reads tables by name, not data of this "
                    "process; write them to a table there."
                )
            own = spark_of(engine) and is_frame_of_spark(table.relation)
            rows = table.relation if own else _arrow(side, table.relation)
            name = engine.frames.register(rows)
            stack.callback(engine.frames.unregister, name)
            found[side] = replace(table, relation=name)
        yield found


@contextmanager
def registered_further(
    also: Mapping[str, FurtherTable], engine: Engine
) -> Iterator[dict[str, FurtherTable]]:
    """Let statements read further tables that are given as data."""
    with registered({name: one.table for name, one in also.items()}, engine) as named:
        yield {name: replace(one, table=named[name]) for name, one in also.items()}


def stable_rows(rows: Rows, output: Mapping[str, Any], engine: Engine) -> Any:
    """Read stable rows, the columns of the output alone; see `Frames.rows`."""
    import pyarrow as pa  # noqa: PLC0415

    dialect = engine.dialect
    names = [*several(output["id"]), *output["vector"], *output.get("keep", ())]
    columns = {name: quoting.identifier(name, dialect) for name in names}
    if engine.frames is None and output["layout"] == "array":
        # Drivers hand over what they do not know as text.
        name = output["vector"][0]
        array = build.array_of(prepare.stored_table("", output), columns[name], dialect)
        columns[name] = f"{array} AS {columns[name]}"
    source = files.exact(rows.files) if rows.files else relations.named(rows.relation, dialect)
    where = f"\nWHERE {rows.filter}" if rows.filter else ""
    text = f"SELECT {', '.join(columns.values())}\nFROM {source}{where}\n"
    if engine.frames is not None:
        return engine.frames.rows(text)
    found = engine.query(text)
    number = pa.float32() if output["element"] == "float" else pa.float64()
    vector = pa.list_(number) if output["layout"] == "array" else number
    # Of the long layout the first of both numbers the dimension.
    values = output["vector"][output["layout"] == "long" :]
    return pa.table(
        {
            name: pa.array([row[name.lower()] for row in found], vector if name in values else None)
            for name in names
        }
    )


def is_frame_of_spark(given: Any) -> bool:
    """Return whether data is a DataFrame of Spark, of this process or of a Connect server."""
    return type(given).__module__.startswith("pyspark.") and hasattr(given, "sparkSession")


def spark_of(engine: Engine) -> Any:
    """Return the Spark session whose DataFrames an engine takes; None where it takes none."""
    return engine.frames.session if engine.frames else None


def _arrow(side: Side, given: Any) -> pa.Table:
    """Return data as an Arrow table that every engine reads.

    Raises:
        UsageError: The data cannot be read.
    """
    import pyarrow as pa  # noqa: PLC0415

    try:
        table = _arrow_table(side, given)
        if len(set(table.column_names)) < table.num_columns:
            raise ValueError(f"Duplicate column names: {', '.join(table.column_names)}")
        return _readable(table)
    except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
        said = "; ".join(str(argument).rstrip(".") for argument in error.args)
        raise UsageError(
            f"{side}: the data cannot be read: {said}. Give each column one name, and values of "
            "one type that Arrow has: ids as text or integers of at most 64 bits, vectors as lists "
            "of numbers."
        ) from error


def _arrow_table(side: Side, given: Any) -> pa.Table:
    """Return data as an Arrow table."""
    import numpy as np  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415

    if isinstance(given, tuple) and len(given) == 2:
        ids, matrix = given
        for part in given:
            # Sets and generators; a mapping has keys.
            if not hasattr(part, "__getitem__") or isinstance(part, Mapping):
                raise UsageError(
                    f"{side}: ids and vectors are arrays or lists, whose order lets the one "
                    f"belong to the other, not a {type(part).__name__}."
                )
        labels = [part.index for part in given if hasattr(getattr(part, "index", None), "equals")]
        if len(labels) == 2 and not labels[0].equals(labels[1]):
            raise UsageError(
                f"{side}: the labels of the ids are not those of the vectors, in the same order: "
                "which id has which vector? Give both as arrays, with .to_numpy(), or the vectors "
                "by their label, with .loc[ids.index]."
            )
        try:
            matrix = np.ascontiguousarray(numbers(matrix))
        except UsageError as error:
            raise UsageError(f"{side}: {error}") from None
        if matrix.ndim != 2 or len(ids) != len(matrix):
            raise UsageError(
                f"{side}: as arrays, give (ids, matrix) with a row of the matrix for each id; "
                f"there are {len(ids)} ids and a matrix of shape {matrix.shape}."
            )
        if matrix.dtype not in (np.float32, np.float64):
            matrix = matrix.astype(np.float32 if matrix.dtype == np.float16 else np.float64)
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), matrix.shape[1])
        return pa.table({"id": pa.array(ids), "embedding": vectors})
    if hasattr(given, "__arrow_c_stream__"):
        return pa.table(given)
    if hasattr(given, "to_arrow_table"):  # a relation of DuckDB before it had the protocol
        return given.to_arrow_table()
    raise UsageError(
        f"A table of vectors is given by its name or file, as an EmbeddingTable, as (ids, matrix), "
        f"or as a frame that speaks Arrow (pandas, polars, pyarrow, DuckDB), not as "
        f"{type(given).__name__}."
    )


def _readable(table: pa.Table) -> pa.Table:
    """Return a table with 4-byte numbers for 2-byte ones, which no engine reads from Arrow.

    Periods of pandas become text such as `2026-11`: engines would read their numbers.
    """
    import pyarrow as pa  # noqa: PLC0415

    def single(kind: pa.DataType) -> pa.DataType:
        if pa.types.is_fixed_size_list(kind):
            return pa.list_(single(kind.value_type), kind.list_size)
        if pa.types.is_list(kind) or pa.types.is_large_list(kind):
            return pa.list_(single(kind.value_type))
        return pa.float32() if kind == pa.float16() else kind

    for place, field in enumerate(table.schema):
        if getattr(field.type, "extension_name", "") == "pandas.period":
            periods = table.column(place).to_pandas()
            texts = pa.array(periods.astype(str), pa.string(), mask=periods.isna())
            table = table.set_column(place, field.name, texts)
        if "halffloat" in str(field.type):
            column = table.column(place).cast(single(field.type))
            table = table.set_column(place, field.name, column)
    return table
