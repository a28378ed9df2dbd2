"""What is imported, once, by the server that the commands of `faulty.py` are forked from."""

import contextlib
import importlib

from sqlstab.statements import build

ours = ("api", "cli.run", "cli.runs", "engines.duckdb", "engines.postgres", "space.tables")
others = ("pandas", "psycopg", "sqlalchemy.dialects.postgresql.psycopg")
for name in (*(f"sqlstab.{name}" for name in ours), *others):
    # The extras may not be installed.
    with contextlib.suppress(ImportError):
        importlib.import_module(name)
for template in build._environment().list_templates(extensions=["jinja"]):
    build._environment().get_template(template)
