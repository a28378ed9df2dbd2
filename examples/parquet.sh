#!/bin/sh
# Parquet files and the command line: the vectors of each training in the space of the one before.
#
#     sqlstab demo --out demo
#     sh examples/parquet.sh
set -eu
[ -d demo/raw ] || { echo 'There is no demo/raw here: run `sqlstab demo --out demo` first.' >&2; exit 1; }
mkdir -p demo/parquet
cd demo/parquet

echo "== The first training defines the space."
sqlstab run --users ../raw/run0/users.parquet --items ../raw/run0/items.parquet --out june-15

echo "== Two weeks later: can the next training be aligned with it at all?"
sqlstab compare ../raw/run1 june-15

echo "== It joins the space. Were the mean cosine below 0.6, nothing would be written (exit code 5)."
sqlstab run --users ../raw/run1/users.parquet --items ../raw/run1/items.parquet \
    --reference june-15 --min-mean-cosine 0.6 --out july-1

echo "== july-1 has the stable vectors, with the ids and columns that they came with."
ls july-1
