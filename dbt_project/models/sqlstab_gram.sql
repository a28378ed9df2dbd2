{{ config(
    materialized='incremental' if sqlstab.has_partitions() else 'table',
    incremental_strategy=sqlstab.incremental_strategy() if sqlstab.has_partitions() else none,
    unique_key=['side', 'partition_key'],
    on_schema_change='fail',
    pre_hook='{{ sqlstab.before() }}',
    post_hook='{{ sqlstab.forget_partitions(this) }}'
) }}
{{ sqlstab.gram_rows() }}
