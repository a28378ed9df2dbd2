{#- Made from sql/registry.sql.jinja by `make dbt-macros`: change that, not this. -#}

{%- macro statement_registry(dialect, run_id, registry) -%}
{% if run_id -%}
-- The transform of one run, in parts.
{%- else -%}
-- What has happened to runs, in parts; the transforms are read when they are wanted.
{%- endif %}
SELECT t.event_id, t.event, t.run_id, t.part, t.parts, t.body
FROM {{ registry }} AS t
WHERE t.event {{ "=" if run_id else "<>" }} 'transform'
{%- if run_id %} AND t.run_id = {{ run_id }}{% endif %}
ORDER BY t.event_id, t.part
{%- endmacro -%}
