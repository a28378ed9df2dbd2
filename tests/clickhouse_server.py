"""A ClickHouse server for the tests: its HTTP protocol in front of chdb, the engine in a library.

`python clickhouse_server.py FOLDER` keeps its data in the folder, prints the port that it listens
on, and serves until its standard input closes, so it goes when the process that started it goes.

What is real: the engine (parser, types, functions, MergeTree, databases, settings and their
limits such as `max_query_size`, error codes and texts), the Native bytes of results and inserts,
and the whole of the client: clickhouse-connect, its SQLAlchemy dialect, TCP, HTTP.

What is not, so that a green test says nothing about it:

- Users, roles and quotas: everybody is let in, and may do anything.
- Statements run one at a time, whatever the connection.
- A result is sent when it is complete, never compressed: an error always comes with its status.
- The summary of a response has no counts, so a driver knows no number of inserted rows.
- Clusters, replicas, `ON CLUSTER`, Keeper; queries by GET; parameters and files sent as a form.
- A setting in the URL holds for the request, after which it is the engine's default again, not
  what an earlier `SET` in the same HTTP session made it.
"""

from __future__ import annotations

import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import chdb
from sqlglot import tokenize
from sqlglot.errors import TokenError

# Parameters of a request that are no settings of the engine.
TRANSPORT = {
    "buffer_size",
    "client_protocol_version",
    "compress",
    "database",
    "decompress",
    "default_format",
    "password",
    "query",
    "query_id",
    "quota_key",
    "role",
    "session_check",
    "session_id",
    "session_timeout",
    "stacktrace",
    "user",
    "wait_end_of_query",
}

# HTTP status by the name of the error, as a server has it; 500 for any other name.
STATUS = (
    (501, r"NOT_IMPLEMENTED"),
    (408, r"TIMEOUT_EXCEEDED"),
    (400, r"UNKNOWN_(ELEMENT_IN|TYPE_OF)_AST\w*|TOO_(DEEP|BIG)_AST|UNEXPECTED_AST_STRUCTURE"),
    (404, r"UNKNOWN_(TABLE|FUNCTION|IDENTIFIER|TYPE|STORAGE|DATABASE|DATABASE_ENGINE|SETTING)"),
    (404, r"UNKNOWN_(AGGREGATE_FUNCTION|FORMAT|TYPE_OF_QUERY|DIRECTION_OF_SORTING|ROLE)"),
    (400, r"SYNTAX_ERROR|BAD_ARGUMENTS|TYPE_MISMATCH|ILLEGAL_COLUMN|DUPLICATE_COLUMN"),
    (400, r"THERE_IS_NO_COLUMN|INCORRECT_DATA|VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE"),
    (400, r"CANNOT_PARSE_\w+|CANNOT_COMPILE_REGEXP"),
)


class RefusedError(RuntimeError):
    """What this server refuses by itself, worded as the engine would, whose errors are these."""


class Database:
    """The one engine that a process can hold, and a handle on it for each HTTP session."""

    def __init__(self, folder: Path) -> None:
        self._path = str(folder)
        self._lock = threading.Lock()
        self._sessions: dict[str, Any] = {}
        # Without a handle the engine closes, and starts again in 0.4 s.
        self._keeper = chdb.connect(self._path)
        # chdb's own default database takes names of unknown tables for names of files.
        self._keeper.query("DROP DATABASE default")
        self._keeper.query("CREATE DATABASE default ENGINE = Atomic")
        self.timezone = self._keeper.query("SELECT timezone()", "TabSeparatedRaw").bytes()

    def run(self, statement: bytes, parameters: dict[str, str]) -> bytes:
        """The result of a statement, in the format that it or the request names.

        Raises:
            RuntimeError: The engine's error, or this server's.
        """
        settings = {
            name: value
            for name, value in parameters.items()
            if name not in TRANSPORT and not name.startswith("param_")
        }
        arguments = {
            name.removeprefix("param_"): value
            for name, value in parameters.items()
            if name.startswith("param_")
        }
        _refuse_several(statement)
        session = parameters.get("session_id")
        with self._lock:
            handle = self._sessions.get(session or "") or self._handle()
            if session:
                self._sessions[session] = handle
            try:
                handle.query(f"USE {_name(parameters.get('database') or 'default')}")
                if settings:
                    values = (f"{_name(name)} = {_text(v)}" for name, v in settings.items())
                    handle.query(f"SET {', '.join(values)}")
                result = handle.query(
                    statement, parameters.get("default_format", "TabSeparated"), params=arguments
                )
                return result.bytes() or b""
            finally:
                if session:
                    for name in settings:
                        handle.query(f"SET {_name(name)} = DEFAULT")
                else:
                    handle.close()

    def _handle(self) -> Any:
        """A new handle: 1 ms; settings and the current database are each handle's own."""
        handle = chdb.connect(self._path)
        # chdb takes a bare expression for a query; a server does not.
        handle.query("SET implicit_select = 0")
        return handle

    def close(self) -> None:
        """Close all handles, and with the last one the engine."""
        for handle in (*self._sessions.values(), self._keeper):
            handle.close()


def _refuse_several(statement: bytes) -> None:
    """chdb runs `SELECT 1; SELECT 2`, where a server takes one statement.

    An INSERT is let through: what follows may be data.
    """
    if b";" not in statement or re.match(rb"\s*INSERT\b", statement, re.IGNORECASE):
        return
    try:
        kinds = [token.token_type.name for token in tokenize(statement.decode(), "clickhouse")]
    except (TokenError, UnicodeDecodeError):
        return  # the engine will have something to say about it
    if "SEMICOLON" in kinds[:-1]:
        raise RefusedError(
            "Code: 62. DB::Exception: Syntax error (Multi-statements are not allowed). "
            "(SYNTAX_ERROR)"
        )


def _name(name: str) -> str:
    """A quoted identifier."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _text(value: str) -> str:
    """A quoted string."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _decoded(body: bytes, encoding: str | None) -> bytes:
    """The body of a request, decompressed: drivers compress the rows that they insert."""
    if not encoding or encoding == "identity":
        return body
    if encoding == "lz4":
        import lz4.frame  # noqa: PLC0415

        return bytes(lz4.frame.decompress(body))
    raise RefusedError(f"Code: 48. DB::Exception: Content-Encoding {encoding}. (NOT_IMPLEMENTED)")


class Handler(BaseHTTPRequestHandler):
    """Requests of the ClickHouse HTTP protocol."""

    protocol_version = "HTTP/1.1"
    # Head and body are two writes; the second would wait 40 ms for an answer to the first.
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        """Whether the server is there."""
        if self.path != "/ping":
            self._answer(501, b"Code: 48. DB::Exception: GET. (NOT_IMPLEMENTED)\n")
        else:
            self._answer(200, b"Ok.\n")

    def do_POST(self) -> None:
        """A statement in the body, or the start of one in the URL and the rest in the body."""
        body = self._body()
        try:
            if self.headers.get("Content-Type", "").startswith("multipart/"):
                raise RefusedError("Code: 48. DB::Exception: Forms. (NOT_IMPLEMENTED)")
            body = _decoded(body, self.headers.get("Content-Encoding"))
            parameters = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
            query = parameters.get("query", "").encode()
            statement = query + b"\n" + body if query and body else query or body
            result = self.server.database.run(statement, parameters)
        except RuntimeError as error:
            code = re.search(r"Code: (\d+)", str(error))
            name = re.search(r"\((\w+)\)\s*$", str(error))
            status = next(
                (status for status, names in STATUS if name and re.fullmatch(names, name[1])), 500
            )
            headers = {"X-ClickHouse-Exception-Code": code[1] if code else "1002"}
            self._answer(status, f"{error}\n".encode(), headers)
        else:
            self._answer(200, result)

    def _body(self) -> bytes:
        """The body, by its length or in chunks, as drivers send the rows that they insert."""
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=UTF-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-ClickHouse-Timezone", self.server.database.timezone.decode().strip())
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """No line for each request."""


class Server(ThreadingHTTPServer):
    """An HTTP server on a free port of this machine alone."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        self.database = Database(folder)
        super().__init__(("127.0.0.1", 0), Handler)


def main() -> None:
    """Serve until standard input closes."""
    server = Server(Path(sys.argv[1]))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()
    server.shutdown()
    server.database.close()


if __name__ == "__main__":
    main()
