"""`sqlstab demo`: see on real data what it does."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from sqlstab.cli import console, options
from sqlstab.errors import printable


@click.command(cls=options.Command, short_help="See on real data what it does.")
@click.option(
    "--out",
    metavar="DIR",
    help="Keep the trainings (raw/) and the space (movies/) here. Default: keep nothing.",
)
@options.as_json
@click.option("-q", "--quiet", is_flag=True, help="Print the result only.")
def demo(**given: Any) -> None:
    """Stabilize four real retrainings of a movie recommender, and show what that is good for.

    The vectors come with the package: implicit-feedback matrix factorisation on MovieTweetings, on
    data up to four dates in 2013, each training from a new random start. Takes a few seconds.
    """
    # It needs scipy.stats, which takes half a second to import.
    result = import_module("sqlstab.demo").run_demo(given["out"], console.progress(given))
    if given["as_json"]:
        console.print_json(result.figures)
        return
    console.print_rows(result.rows, titles=result.titles)
    click.echo(f"\n{printable(result.text)}")
