"""GoogleSQL, the language of BigQuery: Google's own analyser and executor, as WebAssembly.

`GoogleSQL` holds tables and does what a script says. BigQuery's own parts are not in it: of a table
its clustering, of a transaction that it ends with an error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING, Any
from unittest import mock

from google.protobuf import empty_pb2
from javascript import evaluate
from wasmtime import Config
from zetasql.core import wasm_client
from zetasql.core.exceptions import ServerError
from zetasql.wasi import get_wasm_path
from zetasql.wasi._pb2.zetasql.local_service import local_service_pb2 as service
from zetasql.wasi._pb2.zetasql.proto import function_pb2
from zetasql.wasi._pb2.zetasql.proto import options_pb2 as options
from zetasql.wasi._pb2.zetasql.proto import simple_catalog_pb2 as catalogs
from zetasql.wasi._pb2.zetasql.public import function_pb2 as enums
from zetasql.wasi._pb2.zetasql.public import options_pb2, simple_table_pb2, type_pb2, value_pb2

from sqlstab.engines.bigquery import BIGQUERY
from sqlstab.errors import DataError, EngineError
from sqlstab.statements.table import Column

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zetasql.core.wasm_client import WasmClient


def client() -> WasmClient:
    """Start the executor: half a minute and a gigabyte, the first time on a machine."""

    def cached() -> Config:
        config = Config()
        config.cache = True
        return config

    with mock.patch.object(wasm_client, "Config", cached):
        return wasm_client.WasmClient(str(get_wasm_path()))


NAME = r"(?:`[^`]*`|\w+)(?:\.(?:`[^`]*`|\w+))*"
KINDS = {
    "BOOL": type_pb2.TYPE_BOOL,
    "INT64": type_pb2.TYPE_INT64,
    "FLOAT64": type_pb2.TYPE_DOUBLE,
    "STRING": type_pb2.TYPE_STRING,
}


def type_of(name: str) -> Any:
    """Return a type by its name."""
    if name.startswith("ARRAY<"):
        element = type_of(name.removeprefix("ARRAY<").removesuffix(">"))
        array = type_pb2.ArrayTypeProto(element_type=element)
        return type_pb2.TypeProto(type_kind=type_pb2.TYPE_ARRAY, array_type=array)
    return type_pb2.TypeProto(type_kind=KINDS.get(name.upper(), type_pb2.TYPE_INT64))


def name_of(kind: Any) -> str:
    """Return the name of a type."""
    if kind.type_kind == type_pb2.TYPE_ARRAY:
        return f"ARRAY<{name_of(kind.array_type.element_type)}>"
    return next(name for name, known in KINDS.items() if known == kind.type_kind)


def value_of(value: Any) -> Any:
    """Return a value as a message."""
    if value is None:
        return value_pb2.ValueProto()
    if isinstance(value, str):
        return value_pb2.ValueProto(string_value=value)
    if isinstance(value, int):
        return value_pb2.ValueProto(int64_value=value)
    if isinstance(value, float):
        return value_pb2.ValueProto(double_value=value)
    found = value_pb2.ValueProto()
    found.array_value.SetInParent()
    found.array_value.element.extend(map(value_of, value))
    return found


def plain(value: Any, kind: Any) -> Any:
    """Return a value of this type as Python has it."""
    which = value.WhichOneof("value")
    if which is None:
        return None
    if which == "array_value":
        element = kind.array_type.element_type
        return [plain(part, element) for part in value.array_value.element]
    if which == "struct_value":
        fields = kind.struct_type.field
        parts = value.struct_value.field
        return {f.field_name: plain(p, f.field_type) for f, p in zip(fields, parts, strict=True)}
    return getattr(value, which)


@dataclass
class Table:
    """Columns and rows as messages."""

    columns: list[Any]
    rows: list[Any] = field(default_factory=list)


class GoogleSQL:
    """An engine: tables, and what statements make of them.

    Args:
        client: The executor, which several may share.
    """

    def __init__(self, client: WasmClient) -> None:
        self.client = client
        self._language = self._call(
            "GetLanguageOptions",
            service.LanguageOptionsRequest(maximum_features=True),
            options.LanguageOptionsProto,
        )
        # Types have the names that users of BigQuery know, and no others.
        self._language.product_mode = options_pb2.PRODUCT_EXTERNAL
        # All kinds.
        self._language.ClearField("supported_statement_kinds")
        self.tables: dict[str, Table] = {}
        self.functions: list[Any] = []
        self._body = ""

    def _call(self, name: str, request: Any, response: Any) -> Any:
        try:
            return self.client.call_grpc_func(f"ZetaSqlLocalService_{name}", request, response)
        except ServerError as error:
            text = getattr(request, "sql", "") or getattr(request, "sql_statement", "")
            raise EngineError(f"GoogleSQL: {error}", text) from error

    # ---- An engine -------------------------------------------------------------------------------

    dialect = BIGQUERY
    version = metadata.version("zetasql")
    streams = False

    def describe(self, relation: str) -> list[Column]:
        """See `Engine`."""
        name = _name(relation)
        if name not in self.tables:
            raise DataError(f"There is no table or view {relation}.")
        return [Column(column.name, name_of(column.type)) for column in self.tables[name].columns]

    def kind(self, name: str) -> str | None:
        """See `Engine`."""
        return "table" if _name(name) in self.tables else None

    def rollback(self) -> None:
        """See `Engine`; nothing is taken back."""

    def close(self) -> None:
        """See `Engine`."""

    # ---- Tables ----------------------------------------------------------------------------------

    def create(
        self, name: str, columns: dict[str, str], rows: Iterable[Iterable[Any]] = ()
    ) -> None:
        """Hold a table; columns have names of types."""
        described = [
            simple_table_pb2.SimpleColumnProto(name=column, type=type_of(kind))
            for column, kind in columns.items()
        ]
        self.tables[name] = Table(described, [])
        for row in rows:
            cells = [value_of(value) for value in row]
            self.tables[name].rows.append(service.TableData.Row(cell=cells))

    def _catalog(self, *, nested: bool = True) -> Any:
        """Return a catalog with all tables, and one in it for each schema unless not nested."""
        top = catalogs.SimpleCatalogProto(name="project")
        top.builtin_function_options.language_options.CopyFrom(self._language)
        top.custom_function.extend(self.functions)
        for name in ("INT", "SMALLINT", "INTEGER", "BIGINT"):
            top.named_type.add(name=name, type=type_of("INT64"))
        inner = {"": top}
        for number, (name, table) in enumerate(self.tables.items(), start=1):
            folder = ""
            *schema, bare = name.split(".") if nested else [name]
            for part in schema:
                path = f"{folder}.{part}"
                if path not in inner:
                    inner[path] = inner[folder].catalog.add(name=part)
                folder = path
            inner[folder].table.add(name=bare, serialization_id=number, column=table.columns)
        return top

    def _options(self) -> Any:
        return options.AnalyzerOptionsProto(language_options=self._language)

    # ---- Statements ------------------------------------------------------------------------------

    def analyse(self, text: str) -> None:
        """Raise unless this is a statement: its names are known, its types fit."""
        request = service.AnalyzeRequest(
            options=self._options(), simple_catalog=self._catalog(), sql_statement=text
        )
        # The tree is nested deeper than protobuf reads.
        self._call("Analyze", request, empty_pb2.Empty)

    def _evaluated(self, query: str) -> Table:
        request = service.EvaluateQueryRequest(
            options=self._options(), simple_catalog=self._catalog(nested=False)
        )
        for name, table in self.tables.items():
            # The executor takes rows of tables without a schema only.
            quoted = ".".join(f"`{part}`" for part in name.split("."))
            query = query.replace(quoted, f"`{name}`")
            if name in query:
                content = request.table_content[name].table_data
                content.SetInParent()
                content.row.extend(table.rows)
        request.sql = query
        found = self._call("EvaluateQuery", request, service.EvaluateQueryResponse)
        return Table(list(found.prepared.columns), list(found.content.table_data.row))

    def query(self, text: str, step: object = None) -> list[dict[str, Any]]:
        """See `Engine`."""
        found = self._evaluated(text)
        return [
            {
                column.name.lower(): plain(cell, column.type)
                for column, cell in zip(found.columns, row.cell, strict=True)
            }
            for row in found.rows
        ]

    def run(self, script: str) -> None:
        """Execute the statements of a script."""
        # Those of JavaScript begin otherwise.
        for statement in re.split(r";\n\n(?=--|[A-Z])", script):
            self.execute(statement.strip().removesuffix(";"))

    def execute(self, statement: str, step: object = None) -> None:
        """See `Engine`: what scripts have, and tests."""
        text = re.sub(r"\A(--[^\n]*\n|\s)+", "", statement)
        self.analyse(text)
        head, _, query = text.partition(" AS\n")
        if made := re.fullmatch(rf"CREATE (?:OR REPLACE )?(?:TABLE|VIEW) ({NAME})", head):
            # No test reads a view after a change of its tables.
            self.tables[_name(made[1])] = self._evaluated(self._solved(query))
        elif text.startswith("CREATE TEMP FUNCTION"):
            self._define(text)
        elif made := re.match(rf"CREATE TABLE (?:IF NOT EXISTS )?({NAME}) \((.*)\)", text, re.S):
            columns = [part.strip().rpartition(" ") for part in made[2].split(",")]
            if _name(made[1]) not in self.tables:
                self.create(_name(made[1]), {_name(column): kind for column, _, kind in columns})
        elif made := re.match(rf"INSERT INTO ({NAME}) VALUES\s+(.*)", text, re.S):
            # Rows of literals, which have the types of the columns.
            columns = ", ".join(
                f"`{c.name}` {name_of(c.type)}" for c in self.tables[_name(made[1])].columns
            )
            rows = f"SELECT * FROM UNNEST(ARRAY<STRUCT<{columns}>>[{made[2]}])"
            self._insert(_name(made[1]), None, rows)
        elif made := re.match(rf"INSERT INTO ({NAME})(?: \(([^)]*)\))?\n(.*)", text, re.S):
            self._insert(_name(made[1]), made[2], made[3])
        elif made := re.match(rf"DELETE FROM ({NAME}) WHERE (.*)", text, re.S):
            kept = f"SELECT * FROM {made[1]} WHERE NOT coalesce({made[2]}, false)"
            self.tables[_name(made[1])].rows = self._evaluated(kept).rows
        elif made := re.match(rf"DROP (?:TABLE|VIEW) (?:IF EXISTS )?({NAME})", text):
            self.tables.pop(_name(made[1]), None)
        elif not re.match(r"(BEGIN|COMMIT) TRANSACTION|(CREATE|DROP) SCHEMA", text):
            self._evaluated(text)

    def _insert(self, name: str, listed: str | None, query: str) -> None:
        table = self.tables[name]
        names = [column.name for column in table.columns]
        given = [_name(part) for part in listed.split(",")] if listed else names
        for row in self._evaluated(query).rows:
            cells = dict(zip(given, row.cell, strict=True))
            table.rows.append(service.TableData.Row(cell=[cells[column] for column in names]))

    # ---- The function in JavaScript --------------------------------------------------------------

    def _define(self, text: str) -> None:
        """Let statements call a function, whose body is in JavaScript."""
        request = service.AnalyzeRequest(
            options=self._options(), simple_catalog=self._catalog(), sql_statement=text
        )
        found = self._call("Analyze", request, service.AnalyzeResponse)
        node = found.resolved_statement.resolved_create_statement_node
        made = node.resolved_create_function_stmt_node
        self.functions = [
            function_pb2.FunctionProto(
                name_path=list(made.parent.name_path),
                group="javascript",
                mode=enums.FunctionEnums.SCALAR,
                signature=[made.signature],
            )
        ]
        self._body = made.code

    def _solved(self, query: str) -> str:
        """Replace the call of that function: the executor knows no JavaScript, Node does."""
        called = re.search(
            r"\(\n    SELECT sqlstab_solve\((.*), '(.*?)'\)(.*?)\n\) AS solved", query, re.S
        )
        if not called:
            return query
        (sums,) = self.query(f"SELECT {called[1]}{called[3]}")
        given = {"sums": sums["solution"], "settings": called[2]}
        code = f"function call(sums, settings) {{\n{self._body}\n}}"
        rows = evaluate(code, "call(given.sums, given.settings)", given)
        listed = ",\n".join(
            f"STRUCT('{row['name']}' AS name, {row['i']}E0 AS i, {list(map(float, row['x']))} AS x)"
            for row in rows
        )
        return query.replace(called[0], f"(SELECT [\n{listed}\n] AS solution) AS solved")


def _name(quoted: str) -> str:
    return quoted.strip().replace("`", "")
