"""Tables of vectors in an engine that the tests run on: the same rows in every layout it has."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from engines import TARGETS

from sqlstab.engines import dialect as dialect_of
from sqlstab.statements import ddl, quoting, relations
from sqlstab.statements.table import EmbeddingTable, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sqlstab.engines.base import Engine
    from sqlstab.statements.sides import Layout, Side
    from sqlstab.statements.table import VectorTable

# Rows of one INSERT statement.
_INSERTED = 500


@dataclass(frozen=True)
class Variant:
    """A way for vectors to stand in a table of one engine.

    Attributes:
        layout: `wide`, `array` or `long`.
        type: Of a component (wide, long) or of the array; {0} is the number of components.
        single: Whether a component has 4 bytes.
        id: The type of the ids.
        cannot: Problems of a table that such a column cannot have.
    """

    layout: Layout
    type: str
    single: bool
    id: str
    cannot: frozenset[str] = frozenset()


def _variants(engine: str) -> dict[str, Variant]:
    dialect, target = dialect_of(engine), TARGETS[engine]
    real, double, bigint = dialect.real, dialect.double, dialect.bigint
    single = real != double
    no_length = frozenset({"null_vectors", "wrong_length"})
    found = {
        "wide": Variant("wide", real, single, bigint, no_length),
        "array": Variant("array", target.array.format(real), single, bigint),
        "long": Variant("long", real, single, bigint),
    }
    if single and not target.slow:
        found["doubles"] = Variant("array", target.array.format(double), False, bigint)
    if engine == "duckdb":
        found["fixed"] = Variant("array", "FLOAT[{0}]", True, bigint, frozenset({"wrong_length"}))
    if engine == "postgres":
        always = frozenset({"null_components", "non_finite"})
        found["vector"] = Variant("array", "vector", True, bigint, always)
    if engine == "clickhouse":
        # An array is never NULL there, and its components only if its type says so.
        for name in ("array", "doubles"):
            cannot = frozenset({"null_vectors", "null_components"})
            found[name] = replace(found[name], cannot=cannot)
        found["nullable"] = replace(
            found["array"],
            type="Array(Nullable(Float32))",
            id="Nullable(Int64)",
            cannot=frozenset({"null_vectors"}),
        )
        found["nullable wide"] = replace(
            found["wide"], type="Nullable(Float32)", id="Nullable(Int64)"
        )
        found["low cardinality"] = replace(
            found["array"],
            id="LowCardinality(String)",
            cannot=frozenset({"null_vectors", "null_components", "null_ids"}),
        )
    if engine == "snowflake":
        found["vector"] = replace(found["array"], type="VECTOR(FLOAT, {0})", single=True)
    return found


VARIANTS = {engine: _variants(engine) for engine in TARGETS}


@dataclass(frozen=True)
class Rows:
    """What a table is to hold.

    Attributes:
        ids: The ids; None is NULL.
        vectors: (n, e), or lists where some are broken, with None for NULL.
        further: Further columns by name: a type as the dialect record names it, and the values.
    """

    ids: Sequence[int | None]
    vectors: Any
    further: Mapping[str, tuple[str, Sequence[Any]]]


@dataclass(frozen=True)
class Loaded:
    """A table that is there.

    Attributes:
        table: The table.
        ids: Its ids.
        vectors: (n, e) float64, as they are stored.
    """

    table: VectorTable
    ids: np.ndarray
    vectors: np.ndarray

    @property
    def at(self) -> dict[Any, np.ndarray]:
        """The vector of an id."""
        return dict(zip(self.ids.tolist(), self.vectors, strict=True))


class Warehouse:
    """An engine, and what the tests have put there.

    Args:
        name: The name of its dialect.
        engine: The engine.
    """

    def __init__(self, name: str, engine: Engine) -> None:
        self.name = name
        self.engine = engine
        self.dialect = engine.dialect
        self._made: dict[Any, Any] = {}

    def once(self, key: Any, make: Callable[[], Any]) -> Any:
        """What `make` makes, made when it is first asked for."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def create(self, table: str, columns: Mapping[str, str], rows: Iterable[Sequence[Any]]) -> None:
        """A table with columns of these types, and its rows."""
        name = relations.named(table, self.dialect)
        listed = ", ".join(
            f"{quoting.identifier(column, self.dialect)} {column_type}"
            for column, column_type in columns.items()
        )
        literals = [
            "(" + ", ".join(map(self._literal, row, columns.values())) + ")" for row in rows
        ]
        self.execute(
            ddl.drop_table(table, self.dialect),
            f"CREATE TABLE {name} ({listed}){self.dialect.tables.storage}",
            *(
                f"INSERT INTO {name} VALUES " + ", ".join(literals[start : start + _INSERTED])
                for start in range(0, len(literals), _INSERTED)
            ),
        )

    def execute(self, *statements: str) -> None:
        """Run statements, one after the other."""
        for statement in statements:
            self.engine.execute(statement)

    def _literal(self, value: Any, column_type: str) -> str:
        if value is None:
            return "NULL"
        if isinstance(value, str):
            return quoting.string(value, self.dialect)
        if isinstance(value, (int, np.integer)):
            quoted = "String" in column_type
            return f"'{value}'" if quoted else str(value)
        if isinstance(value, (float, np.floating)):
            plain = math.isfinite(value)
            return (
                self.dialect.number(value) if plain else self.dialect.as_double.format(f"'{value}'")
            )
        elements = self.dialect.array.format(
            ", ".join(self._literal(element, "") for element in value)
        )
        # ClickHouse casts by itself, and no NULL explicitly.
        return elements if self.name == "clickhouse" else f"CAST({elements} AS {column_type})"

    def load(
        self,
        table: str,
        variant: Variant,
        rows: Rows,
        *,
        side: Side = "items",
        first: int = 1,
        names: Mapping[str, str] = MappingProxyType({}),
    ) -> Loaded:
        """A table of vectors, and what `resolve` makes of it.

        Args:
            table: Its name.
            variant: How its vectors stand there.
            rows: Its rows.
            side: Whether they are users or items.
            first: The number of the first dimension in the long layout.
            names: Other names of columns than `id`, `embedding`, `e0`, ...
        """
        nullable = TARGETS[self.name].nullable
        whole = isinstance(rows.vectors, np.ndarray)
        size = rows.vectors.shape[1] if whole else len(rows.vectors[0])
        component = variant.type.format(size)
        if not whole and variant.layout != "array" and "Nullable" not in component:
            component = nullable.format(component)
        key = variant.id
        if None in rows.ids and "Nullable" not in key:
            key = nullable.format(key)
        if variant.layout == "wide":
            vector = {f"e{k}": component for k in range(size)}
        elif variant.layout == "array":
            vector = {"embedding": component}
        else:
            vector = {"dim": self.dialect.integer, "value": component}
        further = {
            name: nullable.format(getattr(self.dialect, kind))
            for name, (kind, _) in rows.further.items()
        }
        columns = {"id": key, **vector, **further}
        renamed = {names.get(name, name): kind for name, kind in columns.items()}
        self.create(table, renamed, self._rows(variant, rows, first))
        resolved = resolve(
            EmbeddingTable(
                table,
                id=names.get("id", "id"),
                vector=[names.get(name, name) for name in vector],
                layout=variant.layout,
            ),
            side,
            self.engine.describe(table),
            self.dialect,
        )
        assert resolved.element == ("float" if variant.single else "double")
        if variant.layout == "long":
            resolved = replace(resolved, first=first)
        dtype = np.float32 if variant.single else np.float64
        text = "String" in variant.id
        return Loaded(
            resolved,
            np.array([str(i) if text else i for i in rows.ids]),
            rows.vectors.astype(dtype).astype(np.float64) if whole else np.empty((0, size)),
        )

    def _rows(self, variant: Variant, rows: Rows, first: int) -> Iterable[list[Any]]:
        columns = [values for _, values in rows.further.values()]
        for n, (key, vector) in enumerate(zip(rows.ids, rows.vectors, strict=True)):
            others = [values[n] for values in columns]
            if variant.layout == "array":
                yield [key, vector, *others]
            elif variant.layout == "wide":
                yield [key, *vector, *others]
            elif vector is None:
                # A vector that has no second component.
                yield from ([key, first + k, 1.0, *others] for k in (0, 2))
            else:
                yield from ([key, first + k, value, *others] for k, value in enumerate(vector))

    def vectors(
        self, query: str, layout: Layout, size: int, names: Sequence[str] = ("id", "embedding")
    ) -> dict[Any, np.ndarray]:
        """The vectors of so many components that a query gives, by id, which comes first."""
        if self.name == "snowflake" and layout == "array":
            # fakesnow fetches no array that a query has just made.
            key, array_column = (quoting.identifier(name, self.dialect) for name in names)
            query = f"SELECT {key}, CAST({array_column} AS ARRAY) FROM (\n{query}) AS q"
        found: dict[Any, Any] = {}
        for row in self.engine.query(query):
            key, *rest = row.values()
            if layout == "long":
                found.setdefault(key, {})[rest[0]] = rest[1]
            else:
                assert key not in found
                found[key] = array(rest[0]) if layout == "array" else rest[:size]
        if layout == "long":
            found = {key: [parts[k] for k in sorted(parts)] for key, parts in found.items()}
        assert all(len(vector) == size for vector in found.values())
        return {key: np.array(vector, dtype=np.float64) for key, vector in found.items()}


def store_vectors(
    engine: Engine, name: str, vectors: Mapping[int, Any] | np.ndarray, column: str = "v"
) -> None:
    """A new table of vectors of doubles, in arrays, by ids; from 0 on, where none are given."""
    dialect = engine.dialect
    kind = TARGETS[dialect.name].array.format(dialect.double)
    found = vectors if isinstance(vectors, Mapping) else dict(enumerate(vectors))
    values = (
        f"({key}, {dialect.array.format(', '.join(map(dialect.number, vector)))})"
        for key, vector in found.items()
    )
    for statement in (
        ddl.drop_table(name, dialect),
        f"CREATE TABLE {name} (id int, {column} {kind}){dialect.tables.storage}",
        f"INSERT INTO {name} VALUES {', '.join(values)}",
    ):
        engine.execute(statement)


def array(value: Any) -> list[float]:
    """An array as a driver hands it over: some give text."""
    return json.loads(value) if isinstance(value, str) else list(value)
