{#- Made from sql/shared_rows.sql.jinja by `make dbt-macros`: change that, not this. -#}

{%- macro statement_shared_rows(dialect, anchor, t, reference) -%}
{%- set weights = (["run.w"] if anchor and t.weight else []) + (["reference.w"] if anchor and reference.weight else []) -%}
-- The vectors of the {{ t.side }} that this run (x) and the reference (y) share
{%- if t.below %}, of a share of the ids, chosen by a hash of the id{% endif %}
{%- if anchor %}, with their weights (w) and halves{% endif %}.
SELECT
    run.x AS x,
    reference.x AS y
    {%- if anchor %},
    {{ weights | join(" * ") if weights else "1E0" }} AS w,
    {{ sqlstab.part_half_of(dialect, "run.id") }} AS half
    {%- endif %}
FROM (
    {{ sqlstab.part_vectors(t, dialect, none, t.element, anchor) | indent(4) }}
) AS run
JOIN (
    {{ sqlstab.part_vectors(reference, dialect, none, reference.element, anchor) | indent(4) }}
) AS reference USING (id)
{%- endmacro -%}
