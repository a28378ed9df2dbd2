"""An Airflow DAG: stabilize each day's embeddings with dbt, after the training.

The day of the data names the run, not the day on which it happens to run: a retry replaces its own
run, and a backfill gives what it would have given then.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow import DAG

# Airflow 3; Airflow 2 has it in airflow.operators.bash.
from airflow.providers.standard.operators.bash import BashOperator

DBT = "dbt build --project-dir /opt/dbt/movies --profiles-dir /opt/dbt/movies"
# Airflow puts the day in.
RUN = """--vars '{"sqlstab_run_id": "{{ ds }}"}'"""

with DAG(
    "stabilize_embeddings",
    schedule="@daily",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    # Each run is aligned with the one before it: one at a time, and none before its reference.
    max_active_runs=1,
    default_args={
        "depends_on_past": True,
        # A test that fails fails again: vectors must be mended first. A lost connection need not.
        "retries": 1,
        "retry_delay": timedelta(minutes=10),
    },
) as dag:
    train = BashOperator(
        task_id="train", bash_command="/opt/recommender/train.sh {{ ds }}", retries=0
    )
    # Where dbt solves by itself (DuckDB, Postgres, or with a Python model). Elsewhere the same with
    # `sqlstab dbt build` in place of `dbt build`, and the var sqlstab_solver: external.
    stabilize = BashOperator(
        task_id="stabilize", bash_command=f"{DBT} --select +stable_users +stable_items {RUN}"
    )
    # What uses the stable vectors, and fails for reasons of its own.
    features = BashOperator(
        task_id="features",
        bash_command=f"{DBT} --select stable_users+ stable_items+ --exclude stable_users "
        f"stable_items {RUN}",
    )
    train >> stabilize >> features
