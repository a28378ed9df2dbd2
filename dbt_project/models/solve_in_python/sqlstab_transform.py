# Solves for the two maps, with numpy, from sums that are a few thousand rows.
#
# DuckDB, Databricks and BigQuery run this where sqlstab is installed; Snowflake takes packages from its
# own channel only, so there sqlstab comes as a file on a stage (`imports`), or use another solver.
def model(dbt, session):
    dbt.config(packages=["sqlstab"])
    gram = dbt.ref("sqlstab_gram")
    cross_gram = dbt.ref("sqlstab_cross_gram")
    run = dbt.ref("sqlstab_run")

    # Here and not above: Snowflake and BigQuery send the function alone.
    from sqlstab.dbt import solved_frame

    return solved_frame(gram, cross_gram, run)
