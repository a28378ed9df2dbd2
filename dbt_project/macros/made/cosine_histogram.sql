{#- Made from sql/cosine_histogram.sql.jinja by `make dbt-macros`: change that, not this. -#}

{%- macro statement_cosine_histogram(dialect, bins, run, bins_per_unit, reference) -%}
-- How many cosines of the same id in two runs are in each of {{ bins }} bins from -1 to 1, counted from 0,
-- for {{ sqlstab.part_pairs_ids_of(run) }}.
SELECT
    bin,
    count(*) AS n_rows
FROM (
    -- The last bin includes 1; rounding may lead beyond either end.
    SELECT CAST(least(greatest(floor((cosine + 1) * {{ bins_per_unit }}), 0), {{ bins - 1 }}) AS {{ dialect.integer }}) AS bin
    FROM (
        {{ sqlstab.part_pairs_cosines(run, reference, dialect) | indent(8) }}
    ) AS c
    WHERE cosine IS NOT NULL
) AS binned
GROUP BY bin
ORDER BY bin
{%- endmacro -%}
