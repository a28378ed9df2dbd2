#!/usr/bin/env bash
# A scheduler and psql: sqlstab writes the statements and does the mathematics, and connects to
# nothing.
#
#     sqlstab demo --out demo
#     bash examples/psql.sh
#
# It DROPS the schema `movies`, with all that is in it, and makes it anew. It needs psql, a Postgres
# that psql finds by PGHOST, PGUSER, PGDATABASE..., and for `python3` the pyarrow that sqlstab has
# been installed with: activate that environment first. No driver, as psql alone connects.
set -euo pipefail
[ -d demo/raw ] || { echo 'There is no demo/raw here: run `sqlstab demo --out demo` first.' >&2; exit 1; }
mkdir -p demo/psql
cd demo/psql
# Compiling thousands of sums takes Postgres longer than running them.
export PGOPTIONS="-c jit=off -c client_min_messages=warning"
psql="psql -X -q --csv -v ON_ERROR_STOP=1"

# Stands for the training: today's vectors in movies.users and movies.items.
train() {
    for side in users items; do
        $psql -c "DROP TABLE IF EXISTS movies.$side" \
            -c "CREATE TABLE movies.$side (id text PRIMARY KEY, embedding real[])"
        python3 - "../raw/$1/$side.parquet" <<'PYTHON' | $psql -c "COPY movies.$side FROM STDIN"
import sys
import pyarrow.parquet as pq

for row in pq.read_table(sys.argv[1]).to_pylist():
    print(row["id"], "{%s}" % ",".join(map(str, row["embedding"])), sep="\t")
PYTHON
    done
}

render() {
    statement=$1
    shift
    sqlstab render "$statement" --dialect postgres --dimension 32 "$@"
}

# What is scheduled after each training: $1 is the run, $2 the one before it; none before the first.
stabilize() {
    local run=$1 reference=("${@:2}") cross=() create=()
    render gram --users movies.users --items movies.items | $psql > "$run-gram.csv"
    if [ -n "${reference:-}" ]; then
        render cross-gram --items movies.items --items-reference movies.stable_items |
            $psql > "$run-cross.csv"
        cross=(--cross "$run-cross.csv" --reference "$reference.json")
    else
        create=(--create)
    fi
    sqlstab solve --gram "$run-gram.csv" "${cross[@]}" --out "$run.json" \
        --format sql --dialect postgres --transform-table movies.transforms "${create[@]}" | $psql
    $psql -f apply.sql
}

$psql -c "DROP SCHEMA IF EXISTS movies CASCADE" -c "CREATE SCHEMA movies"
# Written once: it takes the newest transform from the table, so that it may be a scheduled query.
render apply --transform-table movies.transforms --replace \
    --users movies.users --users-into movies.stable_users \
    --items movies.items --items-into movies.stable_items > apply.sql

echo "== The first training defines the space."
train run0
stabilize june-15
$psql -c "CREATE TABLE movies.june_15 AS TABLE movies.stable_items"

echo "== The next one joins it."
train run1
stabilize july-1 june-15

echo "== The same movie in both, cosine of the stable vectors:"
render drift --items movies.stable_items --items-reference movies.june_15 | psql -X
