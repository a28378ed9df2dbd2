{#- Made from sql/run_file.sql.jinja by `make dbt-macros`: change that, not this. -#}

{%- macro part_run_file_figure(figures, name, type="DOUBLE") -%}
CAST((SELECT value FROM {{ figures }} WHERE name = '{{ name }}') AS {{ type }})
{%- endmacro -%}

{%- macro part_run_file_described(table) -%}
{
{%- for key in ["relation", "id", "id_type", "layout"] %}
            '{{ key }}': {{ table[key] }},
{%- endfor %}
            'vector': [{{ table.vector | join(", ") }}],
{%- for key in ["element", "filter", "weight", "anchor_filter"] %}
            '{{ key }}': {{ table[key] }},
{%- endfor %}
            'keep': [{{ table.keep | join(", ") }}]
        }
{%- endmacro -%}

{%- macro statement_run_file(dialect, version, maps, inputs, options, dimension, stable_dimension, solution, reference, anchors, outputs, figures) -%}
-- What run.json holds.
SELECT
    1 AS format,
    {{ version }} AS sqlstab,
    (SELECT any_value(run_id) FROM {{ maps }}) AS run_id,
    strftime(get_current_timestamp() AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S+00:00') AS created,
    {
        'users': {{ sqlstab.part_run_file_described(inputs["users"]) }},
        'items': {{ sqlstab.part_run_file_described(inputs["items"]) }}
    } AS inputs,
    {
        {%- for name, value in options.items() %}
        '{{ name }}': {{ value }}{{ "," if not loop.last }}
        {%- endfor %}
    } AS options,
    {%- for side in ["users", "items"] %}
    {
        'rows': {{ sqlstab.part_run_file_figure(figures, side ~ "_rows", "BIGINT") }},
        'dimension': {{ dimension }},
        'rank': {{ sqlstab.part_run_file_figure(figures, side ~ "_rank", "BIGINT") }},
        'condition': {{ sqlstab.part_run_file_figure(figures, side ~ "_condition") }},
        'accuracy': {{ sqlstab.part_run_file_figure(figures, side ~ "_accuracy") }},
        'passes': 1,
        'summed': {{ sqlstab.part_run_file_figure(figures, side ~ "_rows", "BIGINT") }},
        'left_out': 0,
        'problems': MAP {}
    } AS {{ side }},
    {%- endfor %}
    {{ stable_dimension }} AS dimension,
    {{ sqlstab.part_run_file_figure(figures, "rank", "BIGINT") }} AS rank,
    (SELECT list(value ORDER BY i) FROM {{ solution }} WHERE name = 'singular_values' AND value > 0) AS singular_values,
    {%- if reference %}
    {
        'run_id': (SELECT run_id FROM {{ reference }} AS t),
        'dimension': {{ stable_dimension }},
        'policy': NULL,
        'runs': [(SELECT run_id FROM {{ reference }} AS t)]
    } AS reference,
    {
        'side': {% if anchors | length == 2 %}'both'{% else %}'{{ anchors[0].side }}'{% endif %},
        'weights': { {%- for anchor in anchors %}'{{ anchor.side }}': {{ anchor.weight }}{{ ", " if not loop.last }}{% endfor -%} },
        'cosine': false,
        'anchors': {{ sqlstab.part_run_file_figure(figures, "anchors", "BIGINT") }},
        'shared_items': {{ sqlstab.part_run_file_figure(figures, "shared_items", "BIGINT") }},
        'shared_users': {{ sqlstab.part_run_file_figure(figures, "shared_users", "BIGINT") }},
        'relative_residual': {{ sqlstab.part_run_file_figure(figures, "relative_residual") }},
        'cka': {{ sqlstab.part_run_file_figure(figures, "cka") }},
        'bound': {{ sqlstab.part_run_file_figure(figures, "bound") }},
        'determinant': NULL,
        'ambiguous': 0
    } AS alignment,
    {
        {%- for side in ["users", "items"] %}
        '{{ side }}': {
            'rows': {{ sqlstab.part_run_file_figure(figures, "cosine_" ~ side ~ "_after_rows", "BIGINT") }},
            {%- for vectors in ["before", "after"] %}
            '{{ vectors }}': {
                {%- for name in ["mean", "p10", "median"] %}
                '{{ name }}': {{ sqlstab.part_run_file_figure(figures, "cosine_" ~ side ~ "_" ~ vectors ~ "_" ~ name) }}{{ "," if not loop.last }}
                {%- endfor %}
            }{{ "," if not loop.last }}
            {%- endfor %}
        }{{ "," if not loop.last }}
        {%- endfor %}
    } AS cosine,
    {%- else %}
    NULL AS reference,
    NULL AS alignment,
    NULL AS cosine,
    {%- endif %}
    {
        'identity_error': {{ sqlstab.part_run_file_figure(figures, "score_error") }},
        'max_relative_error': {{ sqlstab.part_run_file_figure(figures, "score_largest_relative_error") }}
    } AS scores,
    NULL AS gates,
    '{{ dialect }}' AS engine,
    'script' AS strategy,
    'sql' AS solver,
    {
        'users': {{ sqlstab.part_run_file_described(outputs["users"]) }},
        'items': {{ sqlstab.part_run_file_described(outputs["items"]) }}
    } AS outputs,
    [] AS warnings,
    MAP {} AS timings
{%- endmacro -%}
