{#- Made from sql/guard.sql.jinja by `make dbt-macros`: change that, not this. -#}

{%- macro statement_guard(dialect, side, weighted, lengths, dimension, check, check_vectors) -%}
-- Fails where something is wrong with the {{ side }}: sums would be wrong silently.
SELECT
    CASE
        WHEN n_rows = 0 OR null_ids + duplicate_ids{{ " + bad_weights" if weighted }}{{ " + wrong_length" if lengths }} + null_components + non_finite > 0
        THEN {{ sqlstab.filled(dialect.solving.refuse, ["message"]) }}
        ELSE n_rows
    END AS {{ side }}
FROM (
    SELECT
        *,
        '{{ side }}: rows: ' || {{ sqlstab.filled(dialect.as_text, ["n_rows"]) }} || ', NULL ids: ' || {{ sqlstab.filled(dialect.as_text, ["null_ids"]) }}
        || ', duplicate ids: ' || {{ sqlstab.filled(dialect.as_text, ["duplicate_ids"]) }}
        {%- if weighted %}
        || ', weights that are NULL, negative or not finite: ' || {{ sqlstab.filled(dialect.as_text, ["bad_weights"]) }}
        {%- endif %}
        {%- if lengths %}
        || ', vectors without {{ dimension }} components: ' || {{ sqlstab.filled(dialect.as_text, ["wrong_length"]) }}
        {%- endif %}
        || ', vectors with NULL components: ' || {{ sqlstab.filled(dialect.as_text, ["null_components"]) }}
        || ', with components that are not finite: ' || {{ sqlstab.filled(dialect.as_text, ["non_finite"]) }}
        {%- if lengths %}
        || CASE
            WHEN n_rows > 0 AND wrong_length = n_rows
            THEN '. The longest vector has ' || {{ sqlstab.filled(dialect.as_text, ["longest"]) }} || ' components: give that as --dimension.'
            ELSE '. Leave such rows out, with --filter or in a view.'
        END AS message
        {%- else %}
        || '. Leave such rows out, with --filter or in a view.' AS message
        {%- endif %}
    FROM (
        {{ check | indent(8) }}
    ) AS ids
    {%- if lengths %}
    CROSS JOIN (
        SELECT
            coalesce(sum(CASE WHEN n = {{ dimension }} THEN 0 ELSE n_rows END), 0) AS wrong_length,
            coalesce(max(n), 0) AS longest
        FROM (
            {{ lengths | indent(12) }}
        ) AS lengths
    ) AS by_length
    {%- endif %}
    CROSS JOIN (
        {{ check_vectors | indent(8) }}
    ) AS vectors
) AS counts
{%- endmacro -%}
