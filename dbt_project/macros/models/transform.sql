{#- How the small mathematics is done: `sql`, `python` or `external`. -#}
{%- macro solver() -%}
{%- set solver = var("sqlstab_solver", "python") -%}
{%- if solver not in ["python", "external"] -%}
{{ sqlstab.refuse("the var sqlstab_solver is " ~ solver | tojson ~ "; it can be python or external.") }}
{%- endif -%}
{{ return(solver) }}
{%- endmacro -%}

{#- The rows of sqlstab_transform: the two maps of this run. -#}
{%- macro transform_rows() -%}
{%- set dialect = sqlstab.dialect() -%}
{%- set solver = sqlstab.solver() -%}
{%- set found = ref("sqlstab", "sqlstab_solved_in_python") if solver == "python" else source("sqlstab", "sqlstab_solved") -%}
-- depends_on: {{ sqlstab.own("run") }}, {{ sqlstab.own("gram") }}, {{ sqlstab.own("cross_gram") }}
SELECT
    {{ sqlstab.filled(dialect.as_text, ["run_id"]) }} AS run_id,
    {{ sqlstab.filled(dialect.as_text, ["side"]) }} AS side,
    CAST(i AS {{ dialect.integer }}) AS i,
    CAST(j AS {{ dialect.integer }}) AS j,
    {{ sqlstab.filled(dialect.as_double, ["value"]) }} AS value
FROM {{ found }} AS solved
WHERE run_id = {{ sqlstab.this_run() }}
{%- endmacro -%}
