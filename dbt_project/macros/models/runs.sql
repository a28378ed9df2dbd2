{#- How a model that keeps runs replaces one of them. -#}
{%- macro incremental_strategy() -%}
{{ return(adapter.dispatch("incremental_strategy", "sqlstab")()) }}
{%- endmacro -%}

{%- macro default__incremental_strategy() -%}
{{ return("delete+insert") }}
{%- endmacro -%}

{#- It has no delete+insert; a merge on these keys does the same where a run has as many rows as before. -#}
{%- macro bigquery__incremental_strategy() -%}
{{ return("merge") }}
{%- endmacro -%}

{#- Tables of Parquet files know no DELETE: a run is a partition, which is overwritten. -#}
{%- macro spark__incremental_strategy() -%}
{{ return("insert_overwrite") }}
{%- endmacro -%}

{%- macro databricks__incremental_strategy() -%}
{{ return("merge") }}
{%- endmacro -%}

{#- The run and its reference, one row. What was there before is remembered first, of both sides. -#}
{%- macro run_row() -%}
{%- set text = sqlstab.dialect().as_text -%}
{%- set name = sqlstab.text_literal(sqlstab.run_id()) -%}
{%- set wanted = var("sqlstab_reference", "previous") | string -%}
{%- set store = sqlstab.own("reference_" ~ sqlstab.anchors()[0]) -%}
-- depends_on: {{ sqlstab.own("reference_users") }}, {{ sqlstab.own("reference_items") }}
SELECT
    {{ sqlstab.filled(text, [name]) }} AS run_id,
    {%- if wanted in ["previous", "first"] %}
    (SELECT {{ "max" if wanted == "previous" else "min" }}(run_id) FROM {{ store }} WHERE run_id < {{ name }}) AS reference_run_id
    {%- elif wanted == "none" %}
    -- A new space.
    (SELECT max(run_id) FROM {{ store }} WHERE 1 = 0) AS reference_run_id
    {%- else %}
    (SELECT max(run_id) FROM {{ store }} WHERE run_id = {{ sqlstab.text_literal(wanted) }}) AS reference_run_id
    {%- endif %}
{%- endmacro -%}

{#- The stable vectors of the run before, for as long as they are needed. -#}
{%- macro remembered(side) -%}
{%- set dialect = sqlstab.dialect() -%}
{%- set settings = sqlstab.stable_settings(side) -%}
{%- set stable = sqlstab.stable_relation(side) -%}
{%- set columns = [settings["id"]] + settings["columns"] -%}
-- depends_on: {{ sqlstab.raw(side) }}
-- The {{ side }} of the run before this one, as they were put in place.
{%- if stable is not none %}
SELECT
    {%- for name in columns %}
    t.{{ name }},
    {%- endfor %}
    t.run_id
FROM {{ stable }} AS t
WHERE t.run_id <> {{ sqlstab.text_literal(sqlstab.run_id()) }}
{%- else %}
-- There is none yet: no rows, with the types of the raw ones.
{%- set raw = sqlstab.settings(side) %}
SELECT
    t.{{ raw["id"] }},
    {%- if raw["layout"] == "array" %}
    {%- set array = sqlstab.filled(dialect.from_native, ["t." ~ columns[1]]) if raw["native"] else "t." ~ columns[1] %}
    {%- set array = sqlstab.filled(dialect.as_reals if raw["type"] == "float" else dialect.as_doubles, [array]) %}
    {{ sqlstab.filled(dialect.as_native, [array, sqlstab.stable_dimension()]) if raw["native"] else array }} AS {{ columns[1] }},
    {%- else %}
    {%- for name in columns[1:] %}
    {%- if raw["layout"] == "long" and loop.first %}
    t.{{ name }},
    {%- else %}
    {{ sqlstab.filled(dialect.as_real if raw["type"] == "float" else dialect.as_double, ["t." ~ name if name in raw["columns"] else "0"]) }} AS {{ name }},
    {%- endif %}
    {%- endfor %}
    {%- endif %}
    {{ sqlstab.filled(dialect.as_text, ["''"]) }} AS run_id
FROM {{ sqlstab.raw(side) }} AS t
WHERE 1 = 0
{%- endif %}
{%- endmacro -%}

{#- Forget all but the newest runs, the first, and the one that is asked for by name. -#}
{%- macro forget(relation) -%}
{{- adapter.dispatch("forget", "sqlstab")(relation) -}}
{%- endmacro -%}

{%- macro default__forget(relation) -%}
{%- set kept = sqlstab.whole_number("sqlstab_keep_runs", 7) -%}
{%- set wanted = var("sqlstab_reference", "previous") | string -%}
DELETE FROM {{ relation }}
WHERE
    run_id NOT IN (
        SELECT run_id
        FROM (SELECT DISTINCT run_id FROM {{ relation }} ORDER BY run_id DESC LIMIT {{ kept }}) AS newest
    )
    AND run_id <> (SELECT min(run_id) FROM {{ relation }})
    AND run_id <> {{ sqlstab.text_literal(wanted) }}
{%- endmacro -%}

{#- Tables of Parquet files know no DELETE: drop partitions yourself. -#}
{%- macro spark__forget(relation) -%}
{%- endmacro -%}

{%- macro databricks__forget(relation) -%}
{{- sqlstab.default__forget(relation) -}}
{%- endmacro -%}

{#- What an engine wants to be told before a statement with thousands of expressions. -#}
{%- macro before() -%}
{{- sqlstab.dialect().before | join(";\n") -}}
{%- endmacro -%}
