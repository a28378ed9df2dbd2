{#- Made from sql/longest.sql.jinja by `make dbt-macros`: change that, not this. -#}

{%- macro statement_longest(dialect, most, reference, run, wanted) -%}
-- The vectors of the {{ most }} ids that are longest in the reference, of {{ sqlstab.part_pairs_ids_of(run) }}.
SELECT
    {{ sqlstab.filled(dialect.as_text, ["v.id"]) }} AS vector_id
    {%- for k in range(1, wanted.size + 1) %},
    v.x{{ k }} AS x{{ k }}
    {%- endfor %}
FROM (
    {{ sqlstab.part_as_columns(wanted.source, dialect, wanted.size, parts=[range(1, wanted.size + 1)]) | indent(4) }}
) AS v
JOIN (
    SELECT
        id,
        reference_norm
    FROM (
        {{ sqlstab.part_pairs_cosines(run, reference, dialect) | indent(8) }}
    ) AS c
    ORDER BY
        reference_norm DESC,
        id
    LIMIT {{ most }}
) AS longest ON longest.id = v.id
ORDER BY
    longest.reference_norm DESC,
    longest.id
{%- endmacro -%}
