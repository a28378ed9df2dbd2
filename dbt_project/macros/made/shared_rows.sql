{#- Made from sql/shared_rows.sql.jinja by `make dbt-macros`: change that, not this. -#}

{%- macro statement_shared_rows(dialect, t, reference, anchor) -%}
-- The vectors of the {{ t.side }} that this run (x) and the reference (y) share
{%- if t.below %}, of a share of the ids, chosen by a hash of the id{% endif %}.
SELECT
    run.x AS x,
    reference.x AS y
    {%- if anchor and t.weight %},
    run.w AS w
    {%- endif %}
FROM (
    {{ sqlstab.part_vectors(t, dialect, none, t.element, anchor) | indent(4) }}
) AS run
JOIN (
    {{ sqlstab.part_vectors(reference, dialect, none, reference.element) | indent(4) }}
) AS reference USING (id)
{%- endmacro -%}
