"""`sqlstab dbt`: the step that dbt does not do itself, in a project with the dbt package."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click
import pyarrow as pa

from sqlstab import sums
from sqlstab.errors import DataError, EngineError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# The models that hold the sums, and what they are made from.
_SUMS = ("+sqlstab_gram", "+sqlstab_cross_gram")
_LOCKED = "Could not set lock on file"
_OPTIONS = ("variables", "target", "profile", "profiles_dir", "project_dir")
_TYPES = {
    "value": pa.float64(),
    **dict.fromkeys(("i", "j", "n_rows"), pa.int64()),
    **dict.fromkeys(("side", "run_id", "reference_run_id"), pa.string()),
}
_COLUMNS = {
    "gram": "side, i, j, sum(value) AS value, sum(n_rows) AS n_rows",
    "cross_gram": "side, i, j, value, n_rows",
    "run": "run_id, reference_run_id",
}


def _project_options(command: Callable[..., None]) -> Callable[..., None]:
    """What says which dbt project this is, and where it runs; named as in dbt."""
    for option in (
        click.option("--vars", "variables", metavar="YAML", help="Variables of the project."),
        click.option("-t", "--target", metavar="NAME", help="The target of the profile."),
        click.option("--profile", metavar="NAME", help="The profile, if not the project's own."),
        click.option("--profiles-dir", metavar="DIR", help="Where profiles.yml is."),
        click.option("--project-dir", metavar="DIR", help="Where dbt_project.yml is. Default: ."),
    ):
        command = option(command)
    return command


@click.group(short_help="Solve for the transform of a dbt project.")
def dbt() -> None:
    """Solve for the transform of a project with the dbt package of sqlstab.

    For warehouses where neither SQL nor a Python model of dbt can: set the var sqlstab_solver to
    external. All that is read and written goes through dbt and the profile of the project.
    """


@dbt.command(
    short_help="dbt build, with the solve step in between.",
    context_settings={"ignore_unknown_options": True},
)
@_project_options
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[DBT OPTIONS]...")
def build(arguments: tuple[str, ...], **given: Any) -> None:
    """Build the sums and all that they are made from, solve, and build what depends on it.

    The same as

    \b
      dbt build --select +sqlstab_gram +sqlstab_cross_gram --indirect-selection buildable
      sqlstab dbt solve
      dbt build --select sqlstab_transform+

    DBT OPTIONS are handed on to dbt build, such as --threads 4.
    """  # noqa: D301 - click reads the backspace
    project = _Project(given)
    # Buildable: a test that needs the stable models as well must wait for them.
    sums_only = ["--select", *_SUMS, "--indirect-selection", "buildable"]
    project.invoke("build", *sums_only, *arguments)
    project.solve()
    project.invoke("build", "--select", "sqlstab_transform+", *arguments)


@dbt.command(short_help="From the models of the sums to the table of transforms.")
@_project_options
def solve(**given: Any) -> None:
    """Read sqlstab_gram and sqlstab_cross_gram, solve, and write the table sqlstab_solved.

    The run is the one that sqlstab_run names. Its rows are replaced if it was solved before.
    """
    _Project(given).solve()


class _Project:
    """A dbt project, parsed once.

    Args:
        given: The options that say which one.

    Raises:
        UsageError: dbt is not installed, the project cannot be parsed, or it takes its matrices
            from elsewhere.
    """

    def __init__(self, given: dict[str, Any]) -> None:
        try:
            from dbt.cli.main import dbtRunner  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise UsageError(
                "dbt is not installed here: pip install 'sqlstab[dbt]' and the adapter of your "
                "warehouse, such as dbt-postgres."
            ) from error
        names = {name: name.replace("_", "-") for name in _OPTIONS} | {"variables": "vars"}
        self._options = [
            argument
            for name, option in names.items()
            if given[name] is not None
            for argument in (f"--{option}", given[name])
        ]
        parsed: Any = dbtRunner().invoke(["parse", *self._options])
        if not parsed.success:
            raise UsageError(f"dbt cannot parse the project: {parsed.exception or 'see above'}")
        transform = parsed.result.nodes.get("model.sqlstab.sqlstab_transform")
        if transform is None:
            raise UsageError(
                "The project has no model sqlstab_transform: add the dbt package of sqlstab to "
                "packages.yml and run dbt deps."
            )
        if "source.sqlstab.sqlstab.sqlstab_solved" not in transform.depends_on.nodes:
            raise UsageError(
                "This project is not solved by sqlstab dbt. Set vars: {sqlstab_solver: external} "
                "in dbt_project.yml or with --vars, or use plain dbt build, which solves by itself."
            )
        self._runner = dbtRunner(manifest=parsed.result)

    def solve(self) -> None:
        """From the models of the sums to the table of transforms."""
        # Not where another command of sqlstab starts: it takes Arrow.
        from sqlstab.dbt import solved  # noqa: PLC0415

        transform = solved(*map(self.rows, _COLUMNS))
        rows = [
            [row["side"], row["i"], row["j"], row["value"]]
            for row in sums.matrix_rows(transform).to_pylist()
        ]
        arguments = json.dumps({"run_id": transform.run_id, "rows": rows})
        self.invoke("run-operation", "sqlstab.keep_solved", "--args", arguments)
        known = transform.reference
        space = f"in the space of {known}" if known else "a new space"
        click.echo(f"Solved {transform.run_id}: {transform.rank} axes, {space}.", err=True)

    def rows(self, model: str) -> pa.Table:
        """The rows of a model of the package."""
        grouped = " GROUP BY side, i, j" if model == "gram" else ""
        query = f"SELECT {_COLUMNS[model]} FROM {{{{ ref('sqlstab', 'sqlstab_{model}') }}}}"
        options = ["--log-level", "none", "--limit", "-1"]
        shown = self.invoke("show", *options, "--inline", query + grouped)
        table = shown.results[0].agate_table
        columns = {name.lower(): table.columns[name].values() for name in table.column_names}
        arrays = {name: pa.array(map(_plain(name), v), _TYPES[name]) for name, v in columns.items()}
        return pa.table(arrays)

    def invoke(self, *arguments: str) -> Any:
        """Run dbt in this process, and return what it returns.

        Raises:
            UsageError: dbt refused.
            DataError: A test failed.
            EngineError: The database failed.
        """
        done = self._runner.invoke([*arguments, *self._options])
        if done.success:
            return done.result
        results = getattr(done.result, "results", [])
        failed = {"error": EngineError, "fail": DataError}
        for state, error in failed.items():
            found = [result for result in results if str(result.status) == state]
            if found:
                raise error(_failed(found))
        message = str(done.exception or "see above")
        kind = EngineError if _LOCKED in message else UsageError
        raise kind(f"dbt {arguments[0]} failed: {message}{_hint(message)}")


def _plain(name: str) -> Callable[[Any], Any]:
    """From what dbt hands over: numbers are Decimal, and a text may have become a date."""
    kind = {pa.float64(): float, pa.int64(): int, pa.string(): str}[_TYPES[name]]
    return lambda value: None if value is None else kind(value)


def _failed(results: Sequence[Any]) -> str:
    """What failed, in one line."""
    message = " ".join(str(results[0].message or "").split())
    # An operation has no node.
    name = getattr(results[0], "node", results[0]).unique_id
    return f"{len(results)} step(s) of dbt failed, first {name}: {message}{_hint(message)}"


def _hint(message: str) -> str:
    """A remedy, for what is ours to know."""
    if _LOCKED not in message:
        return ""
    return " A DuckDB file takes one process at a time: end the other one, or wait until it ends."
