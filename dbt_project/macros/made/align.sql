{#- Made from sql/align.sql.jinja by `make dbt-macros`: change that, not this. -#}

{%- macro statement_align(dialect, cross, reference_dimension) -%}
-- The orthogonal matrix Omega = A B' that brings this run closest to the reference, from C = A D B': rows (k, j, value).
WITH
-- The rows k of C.
crossed AS (
    SELECT
        i AS k,
        {{ sqlstab.filled(dialect.collect, ["value", "j"]) }} AS x
    FROM {{ cross }} AS c
    GROUP BY i
),
omega_rows AS (
    {{ sqlstab.part_matrices_polar(dialect, "crossed", reference_dimension) | indent(4) }}
)
{{ sqlstab.part_matrices_elements(dialect, "omega_rows", ["k"], "j", reference_dimension) }}
{%- endmacro -%}
