"""`sqlstab runs`: the runs of a space."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from sqlstab.cli import console, options
from sqlstab.cli.summary import summary, when
from sqlstab.errors import DataError, UsageError
from sqlstab.space.entry import late
from sqlstab.words import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlstab.api import Space
    from sqlstab.space.entry import Entry


@click.command(cls=options.Command, short_help="List, show and drop the runs of a space.")
@click.argument("words", metavar="[S] [K | drop K... | keep N]", nargs=-1)
@options.config
@options.declared("runs")
@options.as_json
@options.display
@click.pass_context
def runs(context: click.Context, /, **given: Any) -> None:
    """List the runs of the space S, oldest first; or show, drop or keep some.

    S is a directory, or with --engine or --database the prefix of tables. A key K prints the
    figures of that run, `drop K...` removes runs, and `keep N` removes all but the newest N.

        sqlstab runs movies/
        sqlstab runs movies/ 2026-11-30
        sqlstab runs -c sqlstab.toml keep 30
    """
    console.log(given)
    project = options.project_of(context, given, run=False)
    words = list(given["words"])
    named = bool(project.place.space or project.space_tables)
    if not named and not words:
        raise UsageError("Name the space: sqlstab runs S.")
    name = None if named else words.pop(0)
    action, *keys = words or [""]
    with options.space_of(context, project, name, writes=action in ("drop", "keep")) as space:
        if not action:
            _list(space, given)
        elif action not in ("drop", "keep") and not keys:
            figures = space[action].figures
            if given["as_json"]:
                console.print_json(figures)
            else:
                console.print_rows([*summary(figures), *_warnings(figures)])
        elif action == "drop" and keys:
            _dropped(space.drop(*keys), given)
        elif action == "keep" and len(keys) == 1 and keys[0].isdecimal() and int(keys[0]) > 0:
            _dropped(space.keep(int(keys[0])), given)
        else:
            raise UsageError(
                f"sqlstab runs S {' '.join([action, *keys])}: write K, drop K..., or keep N, "
                "with N from 1 on."
            )


def _list(space: Space, given: Mapping[str, Any]) -> None:
    found = list(space.entries)
    if given["as_json"]:
        console.print_json([run.figures for run in found])
        return
    if not found:
        raise DataError(
            f"There is no run in the space {space.name}: is that its name? Tables are found with "
            "--database FILE or --engine URL."
        )
    sides = list(dict.fromkeys(side for run in found for side in run.figures["tables"]))
    rows = [_row(run, sides, after) for run, after in zip(found, late(found), strict=True)]
    titles = ("run", *sides, "agreement", "verdict", "created", "by", "")
    console.print_rows(rows, titles=titles)


def _row(run: Entry, sides: Sequence[str], after: str | None) -> tuple[str, ...]:
    figures = run.figures
    alignment = figures["alignment"] or {}
    agreement = alignment.get("agreement")
    tables = figures["tables"]
    return (
        run.key,
        *(f"{tables[side]['rows']:,}" if side in tables else "" for side in sides),
        "" if agreement is None else f"{agreement:.3f}",
        alignment.get("verdict", "first"),
        when(figures),
        figures.get("created_by") or "",
        f"made after {after}" if after else "",
    )


def _warnings(figures: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [("", warning) for warning in figures["warnings"]]


def _dropped(keys: Sequence[str], given: Mapping[str, Any]) -> None:
    with console.results(f"{counted(len(keys), 'run')} had been dropped by then"):
        if given["as_json"]:
            console.print_json(list(keys))
        elif not given["quiet"]:
            rows = [("dropped", key) for key in keys]
            console.print_rows(rows or [("dropped", counted(0, "run"))])
