#!/bin/sh
# The duckdb command line alone: all of a run is one file of SQL, with the mathematics in it. The
# files may be written on another machine; where they run there is no Python.
#
#     sqlstab demo --out demo
#     sh examples/duckdb_cli.sh
#
# It needs `duckdb`, one file from https://duckdb.org/install, or: pip install duckdb-cli
set -eu
[ -d demo/raw ] || { echo 'There is no demo/raw here: run `sqlstab demo --out demo` first.' >&2; exit 1; }
mkdir -p demo/duckdb/june-15 demo/duckdb/july-1
cd demo/duckdb

sqlstab render script --dialect duckdb --dimension 32 --out june-15 \
    --users ../raw/run0/users.parquet --items ../raw/run0/items.parquet > first.sql
sqlstab render script --dialect duckdb --dimension 32 --reference june-15 --out july-1 \
    --users ../raw/run1/users.parquet --items ../raw/run1/items.parquet > next.sql

echo "== The first training defines the space."
duckdb -bail -f first.sql
echo "== The next one joins it."
duckdb -bail -f next.sql

echo "== The same movie in both trainings, mean cosine:"
duckdb -c "
SELECT
    (SELECT avg(list_cosine_similarity(a.embedding, b.embedding))
     FROM '../raw/run0/items.parquet' AS a JOIN '../raw/run1/items.parquet' AS b USING (id)) AS raw,
    (SELECT avg(list_cosine_similarity(a.embedding, b.embedding))
     FROM 'june-15/items.parquet' AS a JOIN 'july-1/items.parquet' AS b USING (id)) AS stable"
