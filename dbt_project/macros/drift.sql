{#- Cosines of the same id in two tables: see macros/_macros.yml. -#}
{%- macro drift(relation, reference, side, filter=none, reference_filter=none) -%}
{%- set settings = sqlstab.stable_settings(side) -%}
{%- set t = sqlstab.table(relation, side, settings, filter) -%}
{%- set other = sqlstab.table(reference, side, settings, reference_filter) -%}
{{- sqlstab.cosines(t, other, sqlstab.stable_dimension()) -}}
{%- endmacro -%}

{%- macro cosines(t, reference, dimension) -%}
{{- sqlstab.statement_drift(
    dialect=sqlstab.dialect(),
    run={"source": t, "size": dimension, "matrix": none},
    reference={"source": reference, "size": dimension, "matrix": none},
    raw_matrix=none, matrix=none, padding=none, dimension=dimension, shared_dimension=dimension
) -}}
{%- endmacro -%}
