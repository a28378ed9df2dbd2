"""What is imported, once, by the server that the commands of `faulty.py` are forked from."""

import contextlib
import importlib

from sqlstab.statements import build

for name in ("sqlstab.cli", "pandas", "psycopg", "sqlalchemy.dialects.postgresql.psycopg"):
    # The extras may not be installed.
    with contextlib.suppress(ImportError):
        importlib.import_module(name)
for template in build._environment().list_templates():
    build._environment().get_template(template)
