#!/bin/sh
# A scheduler and Postgres: tables with a day, a project file, and one command for each day. As a
# line of a crontab, that command is
#
#     0 6 * * *  sqlstab run -c scheduler.toml --var day=$(date +\%F) > /dev/null
#
# What is left goes to standard error, for cron to mail: warnings and errors, and a line for each
# step that takes long. With --quiet there would be errors only.
#
# Try it on two days of the demo:
#
#     sqlstab demo --out demo
#     DATABASE_URL=postgresql://user:password@host/name sh examples/scheduler.sh
#
# It DROPS the schema `nightly`, with all that is in it, and makes it anew. It needs sqlstab[postgres]
# with its `python3`, and psql, which finds the same database by PGHOST, PGUSER, PGDATABASE...
set -eu
[ -d demo/raw ] || { echo 'There is no demo/raw here: run `sqlstab demo --out demo` first.' >&2; exit 1; }
project=$(dirname "$0")/scheduler.toml
psql="psql -X -q --csv -v ON_ERROR_STOP=1"

# Stands for a training: the vectors of a day in nightly.users and nightly.items.
train() {
    for side in users items; do
        python3 - "demo/raw/$1/$side.parquet" "$2" <<'PYTHON' | $psql -c "COPY nightly.$side FROM STDIN"
import sys
import pyarrow.parquet as pq

for row in pq.read_table(sys.argv[1]).to_pylist():
    print(sys.argv[2], row["id"], "{%s}" % ",".join(map(str, row["embedding"])), sep="\t")
PYTHON
    done
}

# What is scheduled. 3 is a failure of the database or the disk: try again. After 2, 4 and 5 a
# person has to look; the space has not changed.
stabilize() {
    code=0
    sqlstab run -c "$project" --var day="$1" > /dev/null || code=$?
    [ "$code" = 3 ] || return "$code"
    sleep 60
    sqlstab run -c "$project" --var day="$1" > /dev/null
}

$psql -c "DROP SCHEMA IF EXISTS nightly CASCADE" -c "CREATE SCHEMA nightly"
for side in users items; do
    $psql -c "CREATE TABLE nightly.$side (ds date, id text, embedding real[], PRIMARY KEY (ds, id))"
done
train run0 2013-06-15
stabilize 2013-06-15
train run1 2013-07-01
stabilize 2013-07-01

echo "== A day again: its rows are replaced, and no others."
stabilize 2013-07-01

echo "== What there is:"
sqlstab runs -c "$project"
$psql -c "SELECT ds, count(*) AS items FROM nightly.stable_items GROUP BY ds ORDER BY ds"
