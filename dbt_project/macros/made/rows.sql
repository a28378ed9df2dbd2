{#- Made from sql/rows.sql.jinja by `make dbt-macros`: change that, not this. -#}

{%- macro statement_rows(dialect, t, keep_ids, kept_below, output_id) -%}
-- The vectors of the {{ t.side }}
{%- if keep_ids %}, and their ids{{ ": of a share of them, chosen by a hash of the id" if kept_below }}{% endif %}.
SELECT
    r.x AS x
    {%- if keep_ids %},
    {% if kept_below %}CASE WHEN {{ sqlstab.filled(dialect.digest, [sqlstab.filled(dialect.as_text, ["r.id"])]) }} < '{{ kept_below }}' THEN r.id END{% else %}r.id{% endif %} AS kept
    {%- endif %}
    {%- if output_id %},
    r.id AS {{ output_id }}
    {%- for column in t.keep_names %},
    r.k{{ loop.index }} AS {{ column }}
    {%- endfor %}
    {%- endif %}
FROM (
    {{ sqlstab.part_vectors(t, dialect, none, t.element, keep=output_id is not none) | indent(4) }}
) AS r
{%- endmacro -%}
