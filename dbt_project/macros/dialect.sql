{#- What must be known of the engine: a record of `sqlstab/engines/` as a dict, one macro for each adapter.

    For an adapter that is not there, define `ADAPTER__dialect` in your project and dispatch to it; begin with the
    record of an engine like it. -#}
{%- macro dialect() -%}
{{ return(adapter.dispatch("dialect", "sqlstab")()) }}
{%- endmacro -%}

{%- macro default__dialect() -%}
{{ sqlstab.refuse(
    "there is no SQL for the adapter " ~ target.type ~ "; there is for duckdb, postgres, snowflake, bigquery, "
    ~ "redshift, databricks, spark, trino and clickhouse. See macros/dialect.sql for how to add one."
) }}
{%- endmacro -%}

{#- Athena runs Trino. -#}
{%- macro athena__dialect() -%}
{{ return(sqlstab.trino__dialect()) }}
{%- endmacro -%}

{%- macro refuse(message) -%}
{{ exceptions.raise_compiler_error("sqlstab: " ~ message) }}
{%- endmacro -%}

{#- A string literal. Texts are of one line, such as keys of runs. -#}
{%- macro text_literal(text) -%}
'{{ text | string | replace("'", "''") }}'
{%- endmacro -%}
