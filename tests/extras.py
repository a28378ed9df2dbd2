"""`make test-extras`: each extra in an environment of its own, clean of all others.

In one with no extra, every module of sqlstab must import, since extras are imported where they are
used; in that of an extra, what sqlstab imports of it must. A warning is an error. It takes minutes
and a network, so it is run by hand.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parent.parent

# What a command does before it does anything else.
_EVERY_MODULE = """
import importlib, pkgutil, sqlstab
for module in pkgutil.walk_packages(sqlstab.__path__, "sqlstab."):
    if module.name != "sqlstab.__main__":
        importlib.import_module(module.name)
"""
_ENGINE = """
from sqlstab.engines.sqlalchemy import _open
_open({0!r}).dialect.import_dbapi()
"""
EXTRAS = {
    "": "",
    "postgres": _ENGINE.format("postgresql://h/d"),
    "spark": "import pandas, pyspark.sql, grpc_status",
    "clickhouse": _ENGINE.format("clickhouse://h/d"),
    "snowflake": _ENGINE.format("snowflake://u:p@a/d"),
    "bigquery": "import sqlalchemy_bigquery",  # an engine of it looks for credentials
    "redshift": _ENGINE.format("redshift://h/d"),
    "trino": _ENGINE.format("trino://h/d"),
    "databricks": "import databricks.sqlalchemy, databricks.sql",
    "report": "import altair, vl_convert",
}


def check(extra: str, code: str, folder: Path) -> str:
    """What went wrong in an environment with nothing but this extra; empty for nothing."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    wanted = f"{ROOT}[{extra}]" if extra else str(ROOT)
    for command in (
        ["-m", "pip", "install", "--quiet", "--upgrade", "pip"],
        ["-m", "pip", "install", "--quiet", wanted],
        ["-W", "error", "-c", _EVERY_MODULE],
        ["-W", "error", "-c", code],
    ):
        done = subprocess.run(
            [python, *command],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            return done.stderr or done.stdout
    return ""


def main() -> None:
    """Check the extras that are named, or all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("extras", nargs="*", metavar="EXTRA", help="By default all, and none.")
    failed = []
    for extra in parser.parse_args().extras or EXTRAS:
        with tempfile.TemporaryDirectory(prefix="sqlstab-extras-") as folder:
            said = check(extra, EXTRAS[extra], Path(folder))
        print(f"{extra or 'no extra'}: {'failed' if said else 'fine'}", flush=True)
        if said:
            print(said)
            failed.append(extra)
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
