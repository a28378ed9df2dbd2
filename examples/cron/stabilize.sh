#!/bin/sh
# Stabilize the embeddings of a day with dbt; for cron:
#
#   30 4 * * *  /opt/dbt/stabilize.sh /opt/dbt/movies >> /var/log/stabilize.log 2>&1
#
# A second argument is the day, for a run that was missed: the same day again replaces its own run.
set -eu

project=$1
day=${2:-$(date -u +%F)}
cd "$project"

# One at a time: a run is aligned with the one before it, and a DuckDB file takes one process.
exec 9> .stabilize.lock
flock --nonblock 9 || { echo "$day: the run before is still at it."; exit 75; }

# dbt returns 1 when a test or a model failed, and says which above; the stable tables that a failed
# test comes before are as they were.
if dbt build --profiles-dir . --vars "{sqlstab_run_id: '$day'}"; then
    echo "$day: stable."
else
    echo "$day: not stabilized, see above." >&2
    exit 1
fi
