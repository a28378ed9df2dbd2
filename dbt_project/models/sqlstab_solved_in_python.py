"""Solves for the two maps, with numpy, from sums that are a few thousand rows.

DuckDB, Databricks and BigQuery run this where sqlstab is installed. Snowflake takes packages from
its own channel only: there sqlstab comes as a file on a stage (the config `imports`), or the var
sqlstab_solver is external.
"""


def model(dbt, session):
    """Rows (run_id, side, i, j, value) of this run."""
    dbt.config(materialized="table", packages=["sqlstab"])
    gram = dbt.ref("sqlstab_gram")
    cross_gram = dbt.ref("sqlstab_cross_gram")
    run = dbt.ref("sqlstab_run")

    # Here and not above: Snowflake and BigQuery keep what is outside of functions elsewhere.
    from sqlstab.dbt import solved_frame  # noqa: PLC0415

    return solved_frame(gram, cross_gram, run)
