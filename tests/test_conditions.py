"""Conditions of users: they stand as they were written, in their place, or are refused."""

from __future__ import annotations

import json
import logging
import re
from collections import defaultdict
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pytest
import sqlglot
from conftest import write_vectors
from hypothesis import example, given
from hypothesis import strategies as st
from invoke import invoke
from sqlglot import exp

from sqlstab import DataError, EmbeddingTable, Options, Space, SqlstabError, UsageError
from sqlstab.engines import dialects
from sqlstab.space.key import escaped
from sqlstab.statements.conditions import both, condition

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlstab.statements.dialect import Dialect

DIALECTS = dialects()
DUCKDB = DIALECTS["duckdb"]


@pytest.mark.parametrize(
    "text",
    [
        "1 = 1; DROP TABLE t",
        "x > 1) OR (1 = 1",
        "id IN (SELECT id FROM secrets)",
        "EXISTS (FROM secrets)",
        "(SELECT 1) = 1",
        "x = $1",
        "x = ?",
        "COLUMNS(*) > 1",
        "*",
        "",
        "   ",
        "x >",
        "FROM t",
        "SELECT 1",
        "DROP TABLE t",
        "x > 1 GROUP BY x",
        "x > 1 UNION SELECT 1",
        "x > 1 LIMIT 1",
        "'unfinished",
        '"unfinished',
        "x > 1, y > 2",
        "random() < 0.5",
        "uuid() = id",
        "count(*) > 1",
        "max(x) = x",
        "row_number() OVER () < 10",
    ],
)
def test_conditions_that_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="condition"):
        condition(text, DUCKDB)


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=str)
def test_a_condition_knows_no_time(dialect: Dialect) -> None:
    """It would be another one for each scan; who needs it writes it out."""
    calls = (
        "now() current_timestamp() current_date() today() localtimestamp() getdate() curdate() "
        "current_localtimestamp() transaction_timestamp() timeofday() systimestamp() now64() "
        "utc_timestamp() unix_timestamp(now()) age(d) txid_current() pg_current_xact_id() "
        "pg_backend_pid() rand() nextval('s') generateULID() uuidv7() uuid_generate_v4()"
    )
    for call in (*calls.split(), "CAST('now' AS timestamp)", "CAST(' Today' AS date)"):
        with pytest.raises(UsageError, match=r"same answer each time.* write a time out, as in"):
            condition(f"seen > {call}", dialect)
    for call in (
        *("age(d, e)", "version()", "current_setting('tenant')", "current_timezone()"),
        *("toDayOfMonth(d)", "uuid_extract_timestamp(id)", "CAST('now' AS varchar)"),
    ):
        assert condition(f"seen > {call}", dialect)
    if dialect.name != "clickhouse":  # which has no such words
        for word in ("current_timestamp", "CURRENT_DATE"):
            with pytest.raises(UsageError, match="same answer each time"):
                condition(f"seen > {word} - INTERVAL '30' DAY", dialect)
    assert condition("seen > '2026-11-24' AND owner = current_user", dialect)


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("year > 1990", "year > 1990"),
        ("year > 1990 -- comment", "year > 1990"),
        ("year > 1990 /* ) */ AND x", "year > 1990 AND x"),
        ("name = 'it''s -- ; DROP'", "name = 'it''s -- ; DROP'"),
        ('"odd ""name" IS NOT NULL', None),
        ("a = 1 OR b = 2", "a = 1 OR b = 2"),
        ("day BETWEEN DATE '2026-01-01' AND DATE '2026-02-01'", None),
        ("list_contains(tags, 'x')", None),
        ("genre IN ('a', 'b') AND NOT adult", None),
        ("x[1] > 0.5", None),
    ],
)
def test_conditions_that_are_kept(text: str, want: str | None) -> None:
    got = condition(text, DUCKDB).text
    assert got == (want or text)
    assert condition(got, DUCKDB).text == got


# Fragments of SQL find more than arbitrary text does.
fragments = st.text("ax1 ()'\"-/*;,.=<>@#$?:[]{}|&!~%^\\ SELECTFROM", max_size=14)


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=str)
@given(text=fragments | st.text(max_size=30))
def test_a_condition_stays_in_its_place(dialect: Dialect, text: str) -> None:
    """Whatever is accepted is one expression within its parentheses, about one table."""
    try:
        accepted = condition(text, dialect).text
    except UsageError:
        return
    tree = sqlglot.parse_one(
        f"SELECT 1 FROM t WHERE ({accepted}) AND TRUE", dialect=dialect.sqlglot
    )
    assert isinstance(tree, exp.Select)
    assert isinstance(tree.args["where"].this, exp.And)
    assert len(list(tree.find_all(exp.Query))) == 1
    assert [table.name for table in tree.find_all(exp.Table)] == ["t"]


@pytest.mark.parametrize(
    ("dialect", "text", "want"),
    [
        ("duckdb", "nope > 1 AND n > 1", ["nope"]),
        ("duckdb", "list_filter(tags, lambda v: v > m)[1] > 0", ["m"]),
        ("duckdb", "N > 1 AND list_filter(tags, v -> v > n)[1] > 0", []),
        ("duckdb", "s.a > 1 AND s['a'] > 1 AND (s).a > 1", []),
        ("duckdb", "(z).a > 1 AND z['a'] > 1", ["z"]),
        # Perhaps the name of a table.
        ("duckdb", "z.a > 1 AND t.z > 1", []),
        ("duckdb", "rowid > 1 AND filename = 'x' AND n = current_user", []),
        ("duckdb", '"Odd n" > 1 AND "odd N" > 1', []),
        ("spark", "`Odd n` > 1 AND _metadata.file_name = 'x' AND exists(tags, v -> v > n)", []),
        ("spark", "datediff(day, n, m) > 1", ["m"]),
        ("clickhouse", "arrayExists(v -> v > 1, tags) AND _part = 'x'", []),
        ("postgres", "N > 1 AND ctid IS NOT NULL", []),
        ("postgres", '"Odd n" > 1 AND "odd n" > 1', []),
        ("postgres", "Odd > 1", ["Odd"]),
        ("snowflake", "n > 1", ["n"]),
        ("snowflake", "upper > 1 AND metadata$filename = 'x'", []),
        ("trino", "\"$path\" = 'x' AND N > 1", []),
    ],
)
def test_columns_that_are_missing_for_sure(dialect: str, text: str, want: list[str]) -> None:
    columns = ["id", "n", "Odd n", "ODD", "UPPER", "tags", "s"]
    assert condition(text, DIALECTS[dialect]).missing(columns, DIALECTS[dialect]) == want


# What sqlglot makes of them: a cast, another function, another order of arguments, another pattern.
REWRITTEN = {
    "to_char(d, 'DD') > '05'": "to_char(t.d, 'DD') > '05'",
    "to_char(d, 'yyyy-MM') = '2024-04'": "to_char(t.d, 'yyyy-MM') = '2024-04'",
    "date_format(d, 'yyyy-MM') = '2024-04'": "date_format(t.d, 'yyyy-MM') = '2024-04'",
    "log(10, n) > 1": "log(10, t.n) > 1",
    "strpos(s, 'a') > 0": "strpos(t.s, 'a') > 0",
    "mod(n, 2) = 1": "mod(t.n, 2) = 1",
    "substr(s, 0, 2) = 'a'": "substr(t.s, 0, 2) = 'a'",
    "split_part(s, '-', 2) = 'a'": "split_part(t.s, '-', 2) = 'a'",
    "n / 2 > 1": "t.n / 2 > 1",
}


@pytest.mark.parametrize("text", REWRITTEN)
@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=str)
def test_a_function_of_another_engine_stands_as_it_was_written(dialect: Dialect, text: str) -> None:
    found = condition(text, dialect)
    assert found.text == text
    assert found.qualified("t") == REWRITTEN[text]


@cache
def functions(dialect: str) -> list[str]:
    """Every name by which sqlglot knows a function in a dialect, or writes one."""
    known = sqlglot.Dialect.get_or_raise(dialect)
    names = {*known.parser_class.FUNCTIONS, *known.parser_class.FUNCTION_PARSERS}
    for kind in known.generator_class.TRANSFORMS:
        names |= {*kind.sql_names()} if issubclass(kind, exp.Func) else set()
    return sorted(name.lower() for name in names)


# Some of their arguments are no expressions.
OF_ODD_SYNTAX = {"convert", "try_convert", "extract", "date_part", "normalize", "map", "transform"}


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=str)
def test_any_function_stands_as_it_was_written(dialect: Dialect) -> None:
    """Whatever sqlglot knows of it: another name, no such function, other arguments."""
    accepted = rewritten = 0
    for name in functions(dialect.sqlglot):
        for arguments in (["c0", "c1"], ["c0"], ["c0", "c1", "c2"]):
            text = f"{name}({', '.join(arguments)}) = d"
            with suppress(UsageError):
                found = condition(text, dialect)
                break
        else:
            continue
        assert found.text == text
        columns = ", ".join(f"t.{argument}" for argument in arguments)
        if name in OF_ODD_SYNTAX:
            assert found.qualified("t").replace("t.", "") == text
        else:
            assert found.qualified("t") == f"{name}({columns}) = t.d"
        accepted += 1
        with suppress(TypeError, KeyError):  # of sqlglot, which cannot write what it has read
            tree = sqlglot.parse_one(text, into=exp.Condition, dialect=dialect.sqlglot)
            rewritten += tree.sql(dialect.sqlglot, normalize_functions=False) != text
    assert accepted > 500
    assert rewritten > 100


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=str)
def test_no_argument_hides_what_a_condition_must_not_have(dialect: Dialect) -> None:
    """sqlglot drops some arguments that it does not know of: mod(a, b, c) becomes a % b."""
    names = "mod sha256 hex ltrim generate_uuid ceil initcap map transform convert position substr"
    for name in names.split():
        for before in ("", "a, ", "a, b, ", "a, b, c, d, "):
            for hidden in ("(SELECT 1)", "random()"):
                with pytest.raises(UsageError):
                    condition(f"{name}({before}{hidden}) = 1", dialect)


PLAIN = [
    "n = 1", "n != 1", "n <> 1", "n <= 1 OR n >= 2", "NOT n = 1", "NOT (n = 1 AND s = 'a')", "b",
    "NOT b", "n IS NULL", "n IS NOT NULL", "b IS TRUE", "n BETWEEN 1 AND 2",
    "n NOT BETWEEN 1 AND 2", "n IN (1, 2)", "n NOT IN (1, 2)", "s LIKE 'a%'", "s NOT LIKE 'a_'",
    "s LIKE 'a!%' ESCAPE '!'", "n + 1 - 2 * 3 > -n", "n - -1 = 2", "n % 2 = 1", "x > 1e5",
    "x > .5 AND x < 1.", "x > 1.5E-3", "s || 'a' = 'ba'", "day = DATE '2026-01-01'",
    "day > TIMESTAMP '2026-01-01 00:00:00'", "day + INTERVAL '1' DAY > DATE '2026-01-01'",
    "CASE WHEN n > 1 THEN b ELSE FALSE END", "CASE n WHEN 1 THEN 2 WHEN 2 THEN 3 END = 2",
    "CAST(s AS INT) = 1", "CAST(x AS DECIMAL(10, 2)) > 1.5", "coalesce(n, 0) = 0",
    "COALESCE(N, 0) = 0", "n IS DISTINCT FROM 1", "n IS NOT DISTINCT FROM NULL", "s = ''",
    "s = 'a -- b'", "s = '/*' AND n = 1 AND s <> '*/'", "(n, s) = (1, 'a')",
    "current_user = s",
]  # fmt: skip
OF_SOME = {
    "duckdb": [
        "n == 1", "n::VARCHAR = '1'", "s ~ 'a'", "s !~ 'a'", "s ILIKE 'A%'", "s ~~ 'a%'",
        "s GLOB 'a*'", "s SIMILAR TO 'a.*'", "n // 2 = 1", "n ^ 2 = 4", "n ** 2 = 4", "~n = -2",
        "n & 1 = 1", "n | 1 = 1", "n << 1 = 4", "xor(n, 1) = 0", "1_000 > n", "tags[1] = 'a'",
        "tags[1:2] = ['a', 'b']", "tags = ['a']", "'a' = ANY(tags)", "len(tags) > 1",
        "j ->> '$.a' = '1'", "j -> 'a' = '1'", "s.a > 1", "(s).a = 1", "{'a': n}.a = 1",
        "{a: n} = {a: 1}", "MAP {'a': n}['a'] = 1", "list_filter(tags, lambda v: v > s)[1] = 'a'",
        "list_filter(tags, v -> v > s)[1] = 'a'", "[v for v in tags if v > s] = tags",
        "extract(year FROM day) = 2026", "date_part('year', day) = 2026", "INTERVAL 1 day > i",
        "INTERVAL (n) days > i", "day AT TIME ZONE 'UTC' > day", "try_cast(s AS INT) = 1",
        "s COLLATE nocase = 'A'", "trim(BOTH 'x' FROM s) = 'a'", "substring(s FROM 1 FOR 2) = 'a'",
        "position('a' IN s) > 0", "s = E'a\\n'", "s = 'C:\\' AND n = 1", "hash(s) % 2 = 0",
        "s[1] = 'a'", "struct_pack(a := n).a = 1", "regexp_matches(s, '^a\\d+$')", "n = 1e-3",
        "tags @> ['a']", "s LIKE 'a\\_%' ESCAPE '\\'", "@n = 1", "s = 'it''s'", "s ^@ 'a'",
    ],
    "postgres": [
        "n::text = '1'", "s ~ 'a'", "s ~* 'a'", "s !~ 'a'", "s ILIKE 'A%'", "j ->> 'a' = '1'",
        "j -> 'a' ->> 'b' = '1'", "j #>> '{a,b}' = '1'", "j @> '{}'", "j ? 'a'", "n ^ 2 = 4",
        "n # 1 = 0", "tags[1] = 'a'", "tags && ARRAY['a']", "'a' = ANY(tags)", "s = U&'a'",
        "s = E'a\\n'", "s SIMILAR TO 'a'", "EXTRACT(year FROM day) = 2026", "s = B'1'",
        "day + INTERVAL '1 day' > day", "s COLLATE \"C\" > 'a'", "date_part('year', day) = 2026",
        "user = s", "age(day, day) > INTERVAL '1 day'", "s LIKE 'a\\_%'", "x > 1.0::numeric(3, 1)",
    ],
    "redshift": [
        "n::varchar = '1'", "s ~ 'a'", "datediff(day, e, f) > 1", "dateadd(month, 1, e) > f",
        "date_part(year, day) > 2026", "s ILIKE 'a'", "s SIMILAR TO 'a'", "nvl(n, 0) = 1",
        "decode(n, 1, 'a', 'b') = 'a'", "json_extract_path_text(j, 'a', 'b') = '1'",
    ],
    "snowflake": [
        "n::string = '1'", "v:a.b::string = 'x'", "v:a[0] = 1", "v['a'] = 1", "s RLIKE 'a.*'",
        "datediff(day, e, f) > 1", "datediff(d, e, f) > 1", "dateadd(month, 1, e) > f",
        "date_trunc(month, e) = f", "iff(n = 1, b, FALSE)", "s ILIKE ANY ('a', 'b')",
        "array_contains('a'::variant, tags)", "s = 'it\\'s'", "s = 'a\\\\'", "x > 1e5",
        "filter(tags, v -> v > n) = tags", "last_day(e, month) = f", "equal_null(n, 1)",
    ],
    "bigquery": [
        "s = \"a\"", "s = r'\\d'", "s = 'it\\'s'", "`odd n` = 1", "n = 0x1F", "s IN UNNEST(tags)",
        "DATE_DIFF(e, f, DAY) > 1", "DATE_TRUNC(e, WEEK(MONDAY)) = f", "SAFE_CAST(s AS INT64) = 1",
        "DATE_ADD(e, INTERVAL 1 DAY) > f", "EXTRACT(DAYOFWEEK FROM e) = 1", "tags[OFFSET(0)] = 1",
        "JSON_VALUE(j, '$.a') = '1'", "TIMESTAMP_TRUNC(e, ISOWEEK) = f", "s = b'a'", "st.a.b = 1",
    ],
    "spark": [
        "n == 1", "n <=> 1", "s RLIKE '^a'", "s REGEXP 'a'", "n DIV 2 = 1", "n = 10L",
        "x = 1.5BD", "x = 2D", "s = \"a\"", "s = r'\\d+'", "s = 'it\\'s'", "`odd n` = 1",
        "exists(tags, v -> v > n)", "datediff(day, e, f) > 1", "timestampdiff(DAY, e, f) > 1",
        "tags[0] = 'a'", "st.a = 1", "m['a'] = 1", "date_format(e, 'E') = 'Mon'", "s ILIKE 'a'",
        "e + INTERVAL 1 DAY > f", "int(s) = 1", "X'1F' = s", "n = 1S", "s = 'it''s'",
    ],
    "databricks": [
        "v:a.b::string = 'x'", "n::string = '1'", "dateadd(DAY, 1, e) > f", "s RLIKE 'a'",
        "exists(tags, v -> v > n)", "try_cast(s AS INT) = 1",
    ],
    "clickhouse": [
        "n == 1", "n = 0x1F", "arrayExists(v -> v > n, tags)", "arrayExists((v, w) -> v > w, a, b)",
        "toString(n) = '1'", "dateDiff('day', e, f) > 1", "date_diff(day, e, f) > 1",
        "s ILIKE 'a'", "has(tags, 'a')", "tup.1 = 1", "m['a'] = 1", "s = 'it\\'s'",
        "e + INTERVAL 1 DAY > f", "n::String = '1'", "toStartOfInterval(e, INTERVAL 1 hour) = f",
        "[1, 2][1] = n", "match(s, '\\\\d')", "s REGEXP 'a'", "CAST(n, 'String') = '1'",
    ],
    "trino": [
        "any_match(tags, v -> v > n)", "date_diff('day', e, f) > 1", "tags[1] = 'a'",
        "try_cast(s AS integer) = 1", "json_extract_scalar(j, '$.a') = '1'", "s = U&'a'",
        "X'1F' = s", "e AT TIME ZONE 'UTC' > f", "e + INTERVAL '1' DAY > f", "\"odd n\" = 1",
        "regexp_like(s, '^a\\d')", "CAST(ROW(1, 2) AS ROW(a INTEGER, b INTEGER)).a = n",
    ],
}  # fmt: skip


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=str)
def test_what_a_language_has_stands_as_it_was_written(dialect: Dialect) -> None:
    for text in (*PLAIN, *OF_SOME[dialect.name]):
        found = condition(text, dialect)
        assert found.text == text
        assert without_alias(found.qualified("t"), dialect) == tokens(text, dialect)
        loose = text.replace(" ", " \n /* c */ ") + " -- c"
        if not {*"'\"`"} & {*text}:
            assert condition(loose, dialect).text == text


def tokens(text: str, dialect: Dialect) -> list[tuple[str, str]]:
    return [(t.token_type.name, t.text) for t in sqlglot.tokenize(text, dialect.sqlglot)]


def without_alias(text: str, dialect: Dialect) -> list[tuple[str, str]]:
    """The tokens of a text but each `t.`."""
    return tokens(re.sub(r"(?<![\w.'\"`])t\.(?=[\w\"`])", "", text), dialect)


@pytest.mark.parametrize(
    ("dialect", "text", "want"),
    [
        ("duckdb", "Id > 1 AND \"odd n\" = 'id'", "t.Id > 1 AND t.\"odd n\" = 'id'"),
        ("duckdb", "t.n > 1 AND s.a > n", "t.n > 1 AND s.a > t.n"),
        ("duckdb", "(s).a = 1 AND s['a'] = n", "(t.s).a = 1 AND t.s['a'] = t.n"),
        ("duckdb", "{a: n}.a = f(a := n)", "{a: t.n}.a = f(a := t.n)"),
        ("duckdb", "f(v, lambda v: v > n) = v", "f(t.v, lambda v: v > t.n) = t.v"),
        ("duckdb", "[v for v in w if v > n] = v", "[v for v in t.w if v > t.n] = t.v"),
        ("duckdb", "extract(year FROM year) = n", "extract(year FROM t.year) = t.n"),
        ("duckdb", "INTERVAL n day > day", "INTERVAL t.n day > t.day"),
        ("duckdb", "CAST(int AS int) = text::text", "CAST(t.int AS int) = t.text::text"),
        ("duckdb", "left > left(s, 1) AND date > n", "t.left > left(t.s, 1) AND t.date > t.n"),
        ("duckdb", "s COLLATE nocase = n", "t.s COLLATE nocase = t.n"),
        ("duckdb", "user = n AND \"user\" = n", "user = t.n AND t.\"user\" = t.n"),
        ("postgres", "user = n AND current_role = n", "user = t.n AND current_role = t.n"),
        ("snowflake", "datediff(day, day, d) > v:a.b", "datediff(day, t.day, t.d) > t.v:a.b"),
        ("snowflake", "f(a => b) > date_trunc(d, d)", "f(a => t.b) > date_trunc(d, t.d)"),
        ("redshift", "dateadd(month, n, day) > day", "dateadd(month, t.n, t.day) > t.day"),
        ("bigquery", "DATE_TRUNC(d, WEEK(MONDAY)) > d", "DATE_TRUNC(t.d, WEEK(MONDAY)) > t.d"),
        ("bigquery", "DATE_DIFF(day, d, DAY) > n", "DATE_DIFF(t.day, t.d, DAY) > t.n"),
        # The engine says what it thinks of a third argument; no column is taken for a word.
        ("spark", "date_sub(day, 1, n) > n", "date_sub(t.day, 1, t.n) > t.n"),
        ("spark", "exists(v, v -> v > n)", "exists(t.v, v -> v > t.n)"),
        ("spark", "10L > n", "10L > t.n"),
        ("clickhouse", "f((v, w) -> v > id, w, v)", "f((v, w) -> v > t.id, t.w, t.v)"),
        ("clickhouse", "date_diff(day, id, d) > 1", "date_diff(day, t.id, t.d) > 1"),
        ("clickhouse", "`a b` = 1 AND tup.1 = n", "t.\"a b\" = 1 AND tup.1 = t.n"),
    ],
)  # fmt: skip
def test_columns_have_the_name_of_their_table(dialect: str, text: str, want: str) -> None:
    assert condition(text, DIALECTS[dialect]).qualified("t") == want


@pytest.mark.parametrize(
    ("dialect", "text", "message"),
    [
        ("duckdb", "s = $$a$$", r"has the string \$\$a\$\$.* write it between plain single quotes"),
        ("duckdb", "s = E'it\\'s'", r"has the string E'it\\'s'"),
        ("postgres", "s = $x$it's$x$", r"has the string \$x\$it's\$x\$"),
        ("postgres", "s = U&'it''s'", "has the string"),
        ("postgres", "n |/* 1 = 1", "condition"),
        ("bigquery", "s = r'it\\'s'", "has the string"),
        ("spark", "s = r'a\\'", "has the string"),
        ("bigquery", "`a\\` = 1", "no name of bigquery can have"),
        ("duckdb", "n\u00a0> 1", "has an odd space"),
        ("duckdb", "n > 1 AND s = 'a\nb'", "one line"),
        ("duckdb", "n > 1\0", "condition"),
        ("duckdb", "#1 > 1", "columns of one row"),
        ("duckdb", "COLUMNS('n.*') > 1", "columns of one row"),
        ("clickhouse", "n IN name", "columns of one row"),
        ("bigquery", "date_add(n) > d", "not one SQL expression"),
    ],
)
def test_what_cannot_stand_is_refused(dialect: str, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        condition(text, DIALECTS[dialect])


@pytest.fixture(scope="module")
def rows() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("""
            CREATE TABLE t AS
            SELECT
                n AS id, CASE WHEN n < 7 THEN n - 2 END AS n, n * 0.75 AS x, n % 2 = 0 AS b,
                DATE '2025-12-29' + n::INT AS day, INTERVAL (n) hours AS i,
                ['a', 'b', 'ba', 'A', 'it''s', 'a\\_b', 'C:\', '', '12'][n] AS s,
                [s, 'b'][:n % 3] AS tags, json_object('$.a', 'x', 'a', s) AS j, {'a': n} AS st
            FROM range(1, 10) AS r(n)
        """)
        yield connection


def found(connection: duckdb.DuckDBPyConnection, text: str) -> list[Any] | str:
    try:
        return connection.execute(f"SELECT id FROM t WHERE {text} ORDER BY id").fetchall()
    except duckdb.Error as error:
        return type(error).__name__


def test_the_same_rows_are_found(rows: duckdb.DuckDBPyConnection) -> None:
    """As a statement of the user's own finds them; what fails there fails here."""
    kept = 0
    for text in (*PLAIN, *OF_SOME["duckdb"], *REWRITTEN, "st.a > 3", "(st).a > 3 AND st['a'] < 6"):
        read = condition(text, DUCKDB)
        want = found(rows, text)
        assert found(rows, f"({read.text})") == want, text
        assert found(rows, f"({read.qualified('t')})") == want, text
        kept += isinstance(want, list) and 0 < len(want) < 9
    assert kept > 50


def parsed(connection: duckdb.DuckDBPyConnection, text: str) -> dict[str, Any] | None:
    """What DuckDB itself makes of a statement; None where it makes nothing of it."""
    found = connection.execute("SELECT json_serialize_sql(?)", [text]).fetchone()
    assert found
    tree: dict[str, Any] = json.loads(found[0])
    if tree["error"]:
        return None
    assert len(tree["statements"]) == 1
    node: dict[str, Any] = tree["statements"][0]["node"]
    return node


# More than arbitrary text finds.
pieces = st.lists(
    st.sampled_from([
        "n", "s", "'", "''", '"', "\\", "$$", "$", "(", ")", "[", "]", "{", "}", "--", "/*",
        "*/", ";", " ", "\n", "E", "e'", "x'", "r'", "U&", "`", ">", "=", "1", "0x", "OR", "AND",
        " OR 1=1", " LIKE ", ",", "SELECT", ".", ":", "::", "->", "#", "//", "|/", "@",
        "?", "\u00a0", "é",
    ]),
    max_size=9,
).map("".join)  # fmt: skip


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=str)
@given(text=pieces | fragments)
def test_what_is_accepted_is_what_was_written(dialect: Dialect, text: str) -> None:
    try:
        read = condition(text, dialect)
    except UsageError:
        return
    assert tokens(read.text, dialect) == tokens(text, dialect)
    names = {column.name for _, column in read.columns}
    assert condition(read.qualified("u"), dialect).text == read.qualified("u")
    assert names == {column.name for _, column in condition(read.text, dialect).columns}


@given(text=pieces | fragments)
@example("n = 'a\\' OR s = ' OR 1=1'")
@example("s = E'a\\n' AND s = 'it''s --'")
def test_duckdb_finds_a_condition_in_its_place(rows: duckdb.DuckDBPyConnection, text: str) -> None:
    try:
        read = condition(text, DUCKDB)
    except UsageError:
        return
    for accepted in (read.text, read.qualified("t")):
        node = parsed(rows, f"SELECT id FROM t WHERE (({accepted}) = true) AND (id = 4711)")
        if node is None:
            continue
        where = node["where_clause"]
        assert where["type"] == "CONJUNCTION_AND"
        assert len(where["children"]) == 2
        first, last = where["children"]
        assert first["type"] == "COMPARE_EQUAL"
        assert last["left"]["column_names"] == ["id"]
        assert last["right"]["literal"]["text"] == "4711"
        assert node["from_table"]["table_name"] == "t"


def test_two_conditions_are_both_whole() -> None:
    assert both(None, "ds = 1", DUCKDB) == "ds = 1"
    assert both("a OR b -- c", "ds = 1", DUCKDB) == "(a OR b) AND ds = 1"
    with pytest.raises(UsageError, match="condition"):
        both("a) OR (b", "ds = 1", DUCKDB)


def written(folder: Path, **columns: Any) -> tuple[str, str]:
    """Two tables of 15 ids, each twice with the same vector: two days."""
    rng = np.random.default_rng(5)
    for side in ("users", "items"):
        vectors = np.tile(rng.standard_normal((15, 3)), (2, 1))
        write_vectors(folder / f"{side}.parquet", vectors, [*range(15)] * 2, **columns)
    return str(folder / "users.parquet"), str(folder / "items.parquet")


def test_a_function_that_the_engine_has_not_is_its_error(tmp_path: Path) -> None:
    """sqlglot would make a cast of it, by which other rows are taken."""
    users, items = written(tmp_path, ts=["2026-11-24"] * 15 + ["2025-11-24"] * 15)
    arguments = ("run", "--users", users, "--items", items, "--space", tmp_path / "space")
    text = "to_char(ts, 'DD') > '05'"
    done = invoke(*arguments, "--run", "1", "--filter", text, code=4)
    assert f"the filter {text} cannot be evaluated: " in done.stderr
    assert "to_char does not exist" in done.stderr
    assert not list(tmp_path.glob("space/*"))
    invoke(*arguments, "--run", "1", "--filter", "ts > '2026' -- to_char(ts, 'DD') > '05'")
    (run,) = Space(tmp_path / "space").runs
    assert run.figures["inputs"]["users"]["filter"] == "ts > '2026' -- to_char(ts, 'DD') > '05'"
    table = EmbeddingTable(items, filter="ts > '2026'", anchor_filter=text)
    users = EmbeddingTable(users, filter="ts > '2026'")
    with pytest.raises(DataError, match=r"the anchor filter to_char.* be evaluated: .*to_char"):
        Space(tmp_path / "space").run(users, table, key="2")


def test_a_filter_does_not_take_rows_of_other_days(tmp_path: Path) -> None:
    """Its own part and the key's are two conditions, whatever it has in it."""
    users, items = written(tmp_path, ds=[1] * 15 + [2] * 15, s=["a", "b", "c"] * 10)
    space = Space(tmp_path / "space")
    with pytest.raises(UsageError, match=r"is not one SQL expression"):
        space.run(EmbeddingTable(users, filter="s = 'a') OR (true"), items, key="ds=1")
    run = space.run(EmbeddingTable(users, filter="s = 'a' OR s = 'b' -- or"), items, key="ds=1")
    assert run.figures["tables"]["users"]["rows"] == 10


def test_a_folder_with_sql_in_its_name_is_no_key(tmp_path: Path) -> None:
    """The rows of an earlier run that wrote its maps only are found by its key, a number."""
    users, items = written(tmp_path, ds=[1] * 15 + [2] * 15)
    space = Space(tmp_path / "space")
    options = Options(maps_only=True)
    space.run(users, items, key="ds=1", options=options)
    for odd in ("1 OR 1=1", "1) OR (1=1", "0 UNION SELECT 1"):
        folder = (tmp_path / "space" / "ds=1").rename(tmp_path / "space" / f"ds={escaped(odd)}")
        figures = folder / "run.json"
        figures.write_text(figures.read_text().replace('"key": "1"', f'"key": "{odd}"'))
        with pytest.raises(SqlstabError) as refused:
            space.run(users, items, key="ds=2", options=options)
        assert odd in str(refused.value)
        assert not (tmp_path / "space" / "ds=2").exists()
        figures.write_text(figures.read_text().replace(f'"key": "{odd}"', '"key": "1"'))
        folder.rename(tmp_path / "space" / "ds=1")
    space.run(users, items, key="ds=2", options=options)


MARK = "executed_8c1f"
SQL = [
    f'id" FROM (SELECT {MARK}()); --',
    f"1' OR {MARK}() = '1",
    f"{MARK}()",
    f"(SELECT {MARK}())",
]


def leaves(document: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The places of all texts in a document."""
    if isinstance(document, str):
        return [at]
    if not isinstance(document, (dict, list)):
        return []
    inner = document.items() if isinstance(document, dict) else enumerate(document)
    return [leaf for key, value in inner for leaf in leaves(value, (*at, key))]


@pytest.mark.parametrize("where", ["files", "tables"])
def test_no_sql_of_a_saved_run_is_executed(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever text of its figures is SQL is refused, or quoted, or not read at all."""
    monkeypatch.chdir(tmp_path)
    tables = written(tmp_path, n=[1] * 15 + [3] * 15)
    given = {"filter": "n > 2", "weight": "n", "anchor_filter": "n > 2", "keep": ["n"]}
    users, items = (EmbeddingTable(table, **given) for table in tables)
    space = Space("s", engine=None if where == "files" else "w.duckdb")
    for key in ("a", "b"):
        space.run(users, items, key=key)
    path = tmp_path / "s" / "run=b" / "run.json"

    def database(statement: str, *values: Any) -> Any:
        with duckdb.connect("w.duckdb") as connection:
            return connection.execute(statement, values).fetchall()

    if where == "files":
        whole = json.loads(path.read_text())
    else:
        rows = database("SELECT figures FROM s_runs WHERE run = 'b' AND starts_with(figures, '{')")
        whole = json.loads(rows[0][0])
    places: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for place in leaves(whole):
        name = [part for part in place if isinstance(part, str)][-1]
        if place[0] in ("inputs", "outputs") or name in ("key", "column", "align", "verdict"):
            places[name].append(place)
    assert len(places) == 15
    quoted = 0
    for number, name in enumerate(places):
        figures = json.loads(json.dumps(whole))
        for place in places[name]:
            inner = figures
            for part in place[:-1]:
                inner = inner[part]
            inner[place[-1]] = SQL[number % len(SQL)]
        text = json.dumps(figures)
        if where == "files":
            path.write_text(text)
        else:
            database("UPDATE s_runs SET figures = ? WHERE run = 'b'", text)
        caplog.clear()
        with caplog.at_level(logging.DEBUG, "sqlstab.sql"):
            with suppress(SqlstabError):
                space["b"].items.arrow()
            with suppress(SqlstabError):
                space.run(users, items, key="c", options=Options(align="previous"))
            if where == "files":
                with suppress(SqlstabError):
                    space.report("b")
        for record in caplog.records:
            for token in sqlglot.tokenize(record.getMessage(), "duckdb"):
                if MARK in token.text:
                    assert token.token_type.name in ("STRING", "IDENTIFIER"), record.getMessage()
                    quoted += 1
    assert quoted
