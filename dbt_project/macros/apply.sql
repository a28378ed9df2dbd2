{#- The stable vectors of a table: see macros/_macros.yml. -#}
{%- macro apply(relation, side, keep=[]) -%}
{%- if execute and config.get("materialized", "table") in ["view", "ephemeral"] -%}
{{ sqlstab.refuse(
    "the stable " ~ side ~ " must be kept until the next run has been aligned with them, but this model is a "
    ~ config.get("materialized") ~ ": give it materialized='table'."
) }}
{%- endif -%}
-- depends_on: {{ sqlstab.own("run_quality") }}, whose tests come before this.
SELECT
    stable.*,
    {{ sqlstab.this_run() }} AS run_id
FROM (
    {{ sqlstab.applied(relation, side, sqlstab.this_run(), keep=keep) | indent(4) }}
) AS stable
{%- endmacro -%}

{#- The raw vectors of a table of stable ones: see macros/_macros.yml. -#}
{%- macro inverse(relation, side, run_id=none) -%}
{%- set run = sqlstab.text_literal(run_id) if run_id else sqlstab.this_run() -%}
{{- sqlstab.inverted(relation, side, run) -}}
{%- endmacro -%}

{#- Raw vectors times the matrix of a run. -#}
{%- macro applied(relation, side, run, keep=[], type=none, share=1.0) -%}
{%- set settings = sqlstab.settings(side) -%}
{%- if keep and settings["layout"] == "long" -%}
{{ sqlstab.refuse("the long layout has one row per dimension, so no further column can be kept.") }}
{%- endif -%}
{%- set columns = [] -%}
{%- for name in keep -%}
{%- do columns.append("t." ~ name) -%}
{%- endfor -%}
{%- set t = dict(sqlstab.table(relation, side, settings, share=share), keep=columns, keep_names=keep) -%}
{%- set held = sqlstab.matrix(sqlstab.own("transform"), side, sqlstab.dimension(), run) -%}
{{- sqlstab.multiplied(t, held, sqlstab.output(sqlstab.stable_settings(side), sqlstab.stable_dimension(), type)) -}}
{%- endmacro -%}

{#- Stable vectors times the transposed matrix of the other side: M_T Omega (M_W Omega)' = I. -#}
{%- macro inverted(relation, side, run, filter=none, type=none, share=1.0) -%}
{%- set other = "users" if side == "items" else "items" -%}
{%- set t = sqlstab.table(relation, side, sqlstab.stable_settings(side), filter, share) -%}
{%- set held = sqlstab.matrix(sqlstab.own("transform"), other, sqlstab.stable_dimension(), run, transposed=true) -%}
{{- sqlstab.multiplied(t, held, sqlstab.output(sqlstab.settings(side), sqlstab.dimension(), type)) -}}
{%- endmacro -%}

{#- A table times a matrix that another table holds. -#}
{%- macro multiplied(t, held, output) -%}
{{- adapter.dispatch("multiplied", "sqlstab")(t, held, output) -}}
{%- endmacro -%}

{#- Without lambdas over arrays: the matrix is read while building, and stands in the statement as numbers. A join with
    the table of matrices, which says the same, takes ten times as long on Postgres; it is what is shown where nothing
    is built, and what is left where the engine takes no statement so long. -#}
{%- macro default__multiplied(t, held, output) -%}
{%- set dialect = sqlstab.dialect() -%}
{%- set columns = sqlstab.matrix_numbers(held) -%}
{%- set text = sqlstab.statement_apply(
    dialect=dialect, t=t, raw_dimension=held["rows"], steps=[columns], output=output
) if columns else "" -%}
{%- if text and (not dialect.longest_statement or text | length < dialect.longest_statement) -%}
{{- text -}}
{%- else -%}
{{- sqlstab.statement_apply_joined(dialect=dialect, output=output, t=t, matrices=[held]) -}}
{%- endif -%}
{%- endmacro -%}

{#- The columns of a matrix, as lists of literals; none where nothing is built or there is no such matrix. -#}
{%- macro matrix_numbers(held) -%}
{%- if not execute or flags.WHICH not in ["run", "build"] -%}
{{ return([]) }}
{%- endif -%}
{%- set query -%}
SELECT
    j,
    value
FROM {{ held["relation"] }}
WHERE {{ held["condition"] }}
ORDER BY
    j,
    i
{%- endset -%}
{%- set columns = [] -%}
{%- for row in run_query(query) -%}
{%- if loop.index0 % held["rows"] == 0 -%}
{%- do columns.append([]) -%}
{%- endif -%}
{%- set text = row[1] | string | upper -%}
{%- do columns[-1].append(text if "E" in text else text ~ "E0") -%}
{%- endfor -%}
{{ return(columns) }}
{%- endmacro -%}

{#- With lambdas over arrays: dot products of each vector with the columns of the matrix, read once. -#}
{%- macro duckdb__multiplied(t, held, output) -%}
{%- set dialect = sqlstab.dialect() -%}
{{- sqlstab.statement_apply(
    dialect=dialect, t=t, raw_dimension=held["rows"],
    steps=[sqlstab.part_matrix_columns(held, dialect)], output=output
) -}}
{%- endmacro -%}

{#- As duckdb, with lambdas. -#}
{%- macro spark__multiplied(t, held, output) -%}
{{- sqlstab.duckdb__multiplied(t, held, output) -}}
{%- endmacro -%}

{%- macro databricks__multiplied(t, held, output) -%}
{{- sqlstab.duckdb__multiplied(t, held, output) -}}
{%- endmacro -%}

{%- macro clickhouse__multiplied(t, held, output) -%}
{{- sqlstab.duckdb__multiplied(t, held, output) -}}
{%- endmacro -%}

{%- macro trino__multiplied(t, held, output) -%}
{{- sqlstab.duckdb__multiplied(t, held, output) -}}
{%- endmacro -%}
