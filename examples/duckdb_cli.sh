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
rm -rf demo/duckdb
mkdir -p demo/duckdb
cd demo/duckdb

script() {
    training=$1 day=$2
    shift 2
    mkdir -p "movies/run=$day"
    sqlstab sql script --dialect duckdb --dimension 32 --space movies --run "$day" "$@" \
        --users "../raw/$training/users.parquet" --items "../raw/$training/items.parquet"
}
script run0 2013-06-15 --first-run > first.sql
script run1 2013-07-01 > next.sql

echo "== The first run defines the space."
duckdb -bail -f first.sql
echo "== The next one joins it."
duckdb -bail -f next.sql

echo "== The same movie in both trainings, mean cosine:"
duckdb -c "
SELECT
    (SELECT avg(list_cosine_similarity(a.embedding, b.embedding))
     FROM '../raw/run0/items.parquet' AS a JOIN '../raw/run1/items.parquet' AS b USING (id)) AS raw,
    (SELECT avg(list_cosine_similarity(a.embedding, b.embedding))
     FROM 'movies/run=2013-06-15/items.parquet' AS a
     JOIN 'movies/run=2013-07-01/items.parquet' AS b USING (id)) AS stable"
