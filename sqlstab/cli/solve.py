"""`sqlstab solve`: from sums that a client of the database printed to maps."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sqlstab.cli import files, options
from sqlstab.engines import NAMES
from sqlstab.errors import DataError, UsageError, printable
from sqlstab.options import Options, Place

if TYPE_CHECKING:
    from collections.abc import Mapping


@click.command(cls=options.Command, short_help="Find the maps from saved sums.")
@click.option(
    "--gram",
    "gram_files",
    multiple=True,
    metavar="FILE",
    help="The Gram matrices, as a client of the database printed them. - is standard input, and "
    "the default. Repeat for more files.",
)
@click.option(
    "--cross",
    "cross_files",
    multiple=True,
    metavar="FILE",
    help="The sums over the ids shared with earlier runs. Leave it out for the first run.",
)
@options.declared("solve")
@click.option(
    "--out", metavar="FILE", help="Write to this file. Default: print, and figures to stderr."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(("csv", "json", "parquet", "sql")),
    help="Rows (run, side, i, j, value) as CSV, JSON or Parquet, or statements that insert them "
    "into the maps of --space. Default: as --out ends, or csv.",
)
@click.option(
    "--dialect",
    type=click.Choice(NAMES),
    metavar="ENGINE",
    help=f"With --format sql: the engine. One of {', '.join(NAMES)}.",
)
@click.option("-q", "--quiet", is_flag=True, help="Print the maps and errors only.")
def solve(**given: Any) -> None:
    r"""Find the maps from sums that any client of the database has saved.

    Run what sqlstab sql gram and sqlstab sql cross-gram print with duckdb, psql, bq,
    clickhouse-client, trino or another client, and save the results as CSV with a header, JSON or
    Parquet. Incomplete or doubled output, and sums over different rows or of different runs, are
    errors. The fit is to rows as they are.

        sqlstab sql gram ... | duckdb -csv w.duckdb | \
            sqlstab solve --run monday --out monday.parquet
        sqlstab solve --gram gram.csv --cross cross.csv --run 2026-11-30 \
            --format sql --dialect postgres --space ml.movies | psql
    """
    form = given["form"] or Path(given["out"] or "").suffix[1:] or "csv"
    if form not in ("csv", "json", "parquet", "sql"):
        raise UsageError(f"{given['out']}: name its format with --format.")
    if (form == "sql") != bool(given["dialect"]):
        raise UsageError("--format sql and --dialect belong together: give both or none.")
    place = Place(**options.values_of(Place, given))
    if form == "sql" and not (place.space and place.key):
        raise UsageError("--format sql needs --space and --run.")
    texts = import_module("sqlstab.texts")
    grams, crosses = _sources(given)
    chosen = options.values_of(Options, given)
    solved = texts.solve(grams, crosses, chosen.get("anchor"), chosen.get("rank"), place.key)
    if form == "sql":
        data = texts.inserts(solved, place, given["dialect"]).encode()
    else:
        data = texts.rows(solved, place, form)
    _write(data, given["out"], form)
    if not given["quiet"]:
        _tell(texts.solved_json(solved))


def _sources(
    given: Mapping[str, Any],
) -> tuple[list[tuple[str, bytes]], list[tuple[str, bytes]]]:
    """Read the files of both kinds."""
    grams, crosses = list(given["gram_files"]), list(given["cross_files"])
    if not grams and "-" not in crosses:
        grams = ["-"]
    if [*grams, *crosses].count("-") > 1:
        raise UsageError("Standard input can be one of --gram and --cross; save the other one.")
    first, second = ([_read(name) for name in names] for names in (grams, crosses))
    return first, second


def _read(name: str) -> tuple[str, bytes]:
    if name == "-":
        if sys.stdin is None or sys.stdin.isatty():
            raise UsageError("Name a file with --gram, or pipe a client's output in.")
        return "standard input", sys.stdin.buffer.read()
    try:
        return name, Path(name).read_bytes()
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror}.") from error


def _write(data: bytes, out: str | None, form: str) -> None:
    if out is not None:
        files.write(out, data)
        return
    if form == "parquet" and sys.stdout is not None and sys.stdout.isatty():
        raise UsageError("A terminal cannot show Parquet: name a file with --out.")
    click.echo(data, nl=False)


def _tell(figures: Mapping[str, Any]) -> None:
    """Say on stderr what is known of the solution."""
    for warning in figures["warnings"]:
        click.echo(printable(f"Warning: {warning}"), err=True)
    agreement = figures["agreement"]
    if agreement:
        value = agreement["value"]
        found = "" if value is None else f"{value:.3f}, "
        click.echo(f"agreement {found}{agreement['verdict']}", err=True)
