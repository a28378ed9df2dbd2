{{ config(
    materialized='incremental',
    incremental_strategy=sqlstab.incremental_strategy(),
    unique_key=['run_id', 'side'] if target.type in ['bigquery', 'databricks'] else 'run_id',
    partition_by=['run_id'] if target.type == 'spark' else none,
    on_schema_change='fail',
    full_refresh=false
) }}
{{ sqlstab.quality_rows() }}
