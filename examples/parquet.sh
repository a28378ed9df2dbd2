#!/bin/sh
# Parquet files and the command line: the vectors of each training, in one space.
#
#     sqlstab demo --out demo
#     sh examples/parquet.sh
set -eu
[ -d demo/raw ] || { echo 'There is no demo/raw here: run `sqlstab demo --out demo` first.' >&2; exit 1; }
mkdir -p demo/parquet
cd demo/parquet

echo "== The first run defines the space."
sqlstab run --users ../raw/run0/users.parquet --items ../raw/run0/items.parquet --space movies --run 2013-06-15

echo "== Two weeks later: can the next training be aligned with it at all?"
sqlstab compare ../raw/run1 movies/2013-06-15

echo "== It joins the space. With an agreement below 0.5 nothing would be written (exit code 5)."
sqlstab run --users ../raw/run1/users.parquet --items ../raw/run1/items.parquet --space movies --run 2013-07-01 \
    --min-agreement 0.5

echo "== What there is:"
sqlstab runs movies
ls movies/*
