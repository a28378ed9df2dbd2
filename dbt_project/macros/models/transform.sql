{#- How the small mathematics is done: `sql`, `python` or `external`. -#}
{%- macro solver() -%}
{%- set solving = sqlstab.dialect().solving -%}
{%- set in_one_statement = solving is not none and solving.way == "recursive" -%}
{%- set solver = var("sqlstab_solver", "sql" if in_one_statement else "external") -%}
{%- if solver not in ["sql", "python", "external"] -%}
{{ sqlstab.refuse("the var sqlstab_solver is " ~ solver | tojson ~ "; it can be sql, python or external.") }}
{%- endif -%}
{%- if solver == "sql" and not in_one_statement -%}
{{ sqlstab.refuse(
    "there is no SQL solver of one statement for " ~ target.type ~ ": set the var sqlstab_solver to python, if the adapter has Python "
    ~ "models and sqlstab is installed there, or to external, and run `sqlstab dbt build`."
) }}
{%- endif -%}
{{ return(solver) }}
{%- endmacro -%}

{#- The rows of sqlstab_transform: the two maps of this run. -#}
{%- macro transform_rows() -%}
{%- set dialect = sqlstab.dialect() -%}
{%- set solver = sqlstab.solver() -%}
-- depends_on: {{ sqlstab.own("run") }}, {{ sqlstab.own("gram") }}, {{ sqlstab.own("cross_gram") }}
{%- if solver == "sql" -%}
{%- set found -%}
(
    SELECT
        {{ sqlstab.this_run() }} AS run_id,
        name AS side,
        i,
        j,
        value
    FROM (
        {{ sqlstab.solution() | indent(8) }}
    ) AS solution
    WHERE name IN ('users', 'items')
)
{%- endset -%}
{%- else -%}
{%- set found = ref("sqlstab", "sqlstab_solved_in_python") if solver == "python" else source("sqlstab", "sqlstab_solved") -%}
{%- endif %}
SELECT
    {{ sqlstab.filled(dialect.as_text, ["run_id"]) }} AS run_id,
    {{ sqlstab.filled(dialect.as_text, ["side"]) }} AS side,
    CAST(i AS {{ dialect.integer }}) AS i,
    CAST(j AS {{ dialect.integer }}) AS j,
    {{ sqlstab.filled(dialect.as_double, ["value"]) }} AS value
FROM {{ found }} AS solved
WHERE run_id = {{ sqlstab.this_run() }}
{%- endmacro -%}

{#- The SQL solver's statement; without a reference a shorter one. -#}
{%- macro solution() -%}
{%- set grams -%}
{%- if sqlstab.has_partitions() -%}
(SELECT side, i, j, sum(value) AS value, sum(n_rows) AS n_rows FROM {{ sqlstab.own("gram") }} GROUP BY side, i, j)
{%- else -%}
{{ sqlstab.own("gram") }}
{%- endif -%}
{%- endset -%}
{%- set anchors = [] -%}
{%- for side in sqlstab.anchors() if sqlstab.has_reference() -%}
{%- do anchors.append({"side": side, "weight": "1.0E0"}) -%}
{%- endfor -%}
{{- sqlstab.statement_solve(
    dialect=sqlstab.dialect(), dimension=sqlstab.dimension(), reference_dimension=sqlstab.stable_dimension(),
    grams=grams, crosses=sqlstab.own("cross_gram") if anchors else none, anchors=anchors, shared=none, figure_names=[]
) -}}
{%- endmacro -%}

{#- Whether this run has a reference; nothing is asked of the database but while building. -#}
{%- macro has_reference() -%}
{%- if not execute or flags.WHICH not in ["run", "build"] -%}
{{ return(true) }}
{%- endif -%}
{%- set found = run_query("SELECT reference_run_id FROM " ~ sqlstab.own("run")) -%}
{{ return(found[0][0] is not none) }}
{%- endmacro -%}
