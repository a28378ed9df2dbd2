{{ config(
    materialized='incremental' if sqlstab.has_partitions() else 'table',
    incremental_strategy=sqlstab.incremental_strategy() if sqlstab.has_partitions() else none,
    unique_key=['side', 'partition_key'],
    partition_by=['side', 'partition_key'] if target.type == 'spark' and sqlstab.has_partitions() else none,
    on_schema_change='fail',
    pre_hook='{{ sqlstab.before() }}',
    post_hook='{{ sqlstab.forget_partitions(this) }}'
) }}
{{ sqlstab.gram_rows() }}
