#!/usr/bin/env bash
# A scheduler and psql: tables with a day, and a run as one file of SQL, which psql runs. sqlstab
# connects to nothing, and there is no Python where the file runs.
#
#     sqlstab demo --out demo
#     bash examples/psql.sh
#
# It DROPS the schema `movies`, with all that is in it, and makes it anew. It needs psql, a Postgres
# that psql finds by PGHOST, PGUSER, PGDATABASE..., and for `python3` the pyarrow that sqlstab has
# been installed with: activate that environment first.
set -euo pipefail
[ -d demo/raw ] || { echo 'There is no demo/raw here: run `sqlstab demo --out demo` first.' >&2; exit 1; }
mkdir -p demo/psql
cd demo/psql
export PGOPTIONS="-c client_min_messages=warning"
psql="psql -X -q --csv -v ON_ERROR_STOP=1"

# Stands for a training: the vectors of a day in movies.users and movies.items.
train() {
    for side in users items; do
        python3 - "../raw/$1/$side.parquet" "$2" <<'PYTHON' | $psql -c "COPY movies.$side FROM STDIN"
import sys
import pyarrow.parquet as pq

for row in pq.read_table(sys.argv[1]).to_pylist():
    print(sys.argv[2], row["id"], "{%s}" % ",".join(map(str, row["embedding"])), sep="\t")
PYTHON
    done
}

# What is scheduled after each training: the run of a day.
stabilize() {
    sqlstab sql script --dialect postgres --dimension 32 --id-type text --run "ds=$1" "${@:2}" \
        --users movies.users --items movies.items --space movies.stable > "$1.sql"
    $psql -f "$1.sql" > "$1.csv"
}

$psql -c "DROP SCHEMA IF EXISTS movies CASCADE" -c "CREATE SCHEMA movies"
for side in users items; do
    $psql -c "CREATE TABLE movies.$side (ds date, id text, embedding real[], PRIMARY KEY (ds, id))"
done

echo "== The first run defines the space."
train run0 2013-06-15
stabilize 2013-06-15 --first-run

echo "== The next one joins it."
train run1 2013-07-01
stabilize 2013-07-01

echo "== What there is:"
$psql -c "SELECT ds, count(*) AS items FROM movies.stable_items GROUP BY ds ORDER BY ds"

echo "== Cosines of the same user and of the same movie in both:"
sqlstab sql drift --dialect postgres --dimension 32 --id-type text --run ds=2013-07-01 \
    --earlier 2013-06-15 --users movies.users --items movies.items --space movies.stable | $psql
