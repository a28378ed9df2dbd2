{#- Made from sql/moved_most.sql.jinja by `make dbt-macros`: change that, not this. -#}

{%- macro statement_moved_most(dialect, most, stable, raw) -%}
-- The {{ most }} ids with the smallest cosine of the stable vectors (after){% if raw %} and that of the raw ones (before){% endif %},
-- of {{ sqlstab.part_pairs_ids_of(stable[0]) }}.
SELECT
    {{ sqlstab.filled(dialect.as_text, ["stable.id"]) }} AS moved_id,
    stable.cosine AS after,
    stable.norm AS norm,
    stable.reference_norm AS reference_norm
    {%- if raw %},
    raw.cosine AS before,
    raw.norm AS raw_norm,
    raw.reference_norm AS raw_reference_norm
    {%- endif %}
FROM (
    {{ sqlstab.part_pairs_cosines(stable[0], stable[1], dialect) | indent(4) }}
) AS stable
{%- if raw %}
JOIN (
    {{ sqlstab.part_pairs_cosines(raw[0], raw[1], dialect) | indent(4) }}
) AS raw ON raw.id = stable.id
{%- endif %}
WHERE stable.cosine IS NOT NULL
ORDER BY
    stable.cosine,
    stable.id
LIMIT {{ most }}
{%- endmacro -%}
