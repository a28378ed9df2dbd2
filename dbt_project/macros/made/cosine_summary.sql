{#- Made from sql/cosine_summary.sql.jinja by `make dbt-macros`: change that, not this. -#}

{%- macro statement_cosine_summary(dialect, run, reference, levels) -%}
-- Cosine of the same id in two runs, and its length in the run relative to the reference,
-- for {{ sqlstab.part_pairs_ids_of(run) }}.
SELECT
    count(*) AS n_rows,
    count(cosine) AS n_cosines,
    avg(cosine) AS cosine_mean
    {%- for figure in ["cosine", "norm_ratio"] %}
    {%- for name, level in levels %},
    {{ sqlstab.filled(dialect.quantile, [figure, level]) }} AS {{ figure }}_{{ name }}
    {%- endfor %}
    {%- endfor %}
FROM (
    SELECT
        cosine,
        norm / nullif(reference_norm, 0) AS norm_ratio
    FROM (
        {{ sqlstab.part_pairs_cosines(run, reference, dialect) | indent(8) }}
    ) AS c
) AS figures
{%- endmacro -%}
