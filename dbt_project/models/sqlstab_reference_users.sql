{{ config(
    materialized='incremental',
    incremental_strategy=sqlstab.incremental_strategy(),
    unique_key='run_id',
    partition_by=['run_id'] if target.type == 'spark' else none,
    on_schema_change='append_new_columns',
    full_refresh=false,
    post_hook='{{ sqlstab.forget(this) }}'
) }}
{{ sqlstab.remembered('users') }}
