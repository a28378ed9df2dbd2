{#- Made from sql/apply.sql.jinja by `make dbt-macros`: change that, not this. -#}

{%- macro statement_apply(dialect, t, raw_dimension, steps, function, output) -%}
{%- set others = sqlstab.part_carried(t, false, true) -%}
{%- set query = sqlstab.part_vectors(t, dialect, raw_dimension, "double" if steps else t.element, keep=true) -%}
{%- if not function and steps | length == 2 -%}
{%- set query = sqlstab.part_multiplied(dialect, query, steps[0], others) -%}
{%- endif -%}
{#- Spark gives a function's process the column that an array is made of, too, unless it is made before. -#}
{%- if function and t.is_made -%}
{%- set query = sqlstab.part_once(dialect, query, ["x"], others) -%}
{%- endif -%}
{%- set cast = dialect.as_real if output.element == "float" else dialect.as_double -%}
{#- The stable vector of the row `s` as an array. -#}
{%- set array -%}
{%- if function -%}
s.x
{%- elif dialect.style == "arrays" -%}
{{ sqlstab.filled((dialect.as_reals if output.element == "float" else dialect.as_doubles), ["s.x"]) }}
{%- else -%}
{%- set parts -%}
{%- for k in range(1, output.dimension + 1) %}{{ sqlstab.filled(cast, ["s.x" ~ k]) }}{{ ", " if not loop.last }}{% endfor -%}
{%- endset -%}
{{ sqlstab.filled(dialect.array, [parts]) }}
{%- endif -%}
{%- endset -%}
{%- set result = sqlstab.part_multiplied(dialect, query, steps[-1], others) if steps else query -%}
-- The stable vectors of the {{ t.side }}: each row {{ "times a matrix" if function or steps else "as it is" }}
{%- if function %}, by a function of this session{% elif steps | length == 2 %}, then times another{% endif %}.
SELECT
    {%- for column in output.ids %}
    s.id{{ loop.index if t.parts }} AS {{ column.name }},
    {%- endfor %}
    {%- if output.layout == "array" %}
    {{ sqlstab.filled("CAST({0} AS {1})", [array, output.type]) if output.type else array }} AS {{ output.vector[0] }}
    {%- elif output.layout == "wide" %}
    {%- for name in output.vector %}
    {{ sqlstab.filled(cast, [sqlstab.filled(dialect.element, ["s.x", loop.index]) if dialect.style == "arrays" else "s.x" ~ loop.index]) }} AS {{ name }}
    {%- if not loop.last %},{% endif %}
    {%- endfor %}
    {%- else %}
    {{ sqlstab.filled(dialect.unnest[1], ["s.x", output.dimension]) }} + {{ output.first }} AS {{ output.vector[0] }},
    {{ sqlstab.filled(cast, [sqlstab.filled(dialect.unnest[2], ["s.x", output.dimension])]) }} AS {{ output.vector[1] }}
    {%- endif %}
    {%- for column in t.keep_names %},
    s.k{{ loop.index }} AS {{ column }}
    {%- endfor %}
FROM (
    {%- if function %}
    SELECT
        id,
        {{ function }}(r.x) AS x
        {{- others }}
    FROM (
        {{ query | indent(8) }}
    ) AS r
    {%- elif output.layout == "long" and dialect.style == "components" %}
    {#- Redshift makes rows of a column, and of no other array. #}
    SELECT
        s.*,
        {{ array }} AS x
    FROM (
        {{ result | indent(8) }}
    ) AS s
    {%- else %}
    {{ result | indent(4) }}
    {%- endif %}
) AS s
{%- if output.layout == "long" and dialect.unnest[0] %}
{{ sqlstab.filled(dialect.unnest[0], ["s.x", output.dimension]) }}
{%- endif %}
{%- endmacro -%}
