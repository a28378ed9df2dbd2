{#- Made from sql/cross_gram.sql.jinja by `make dbt-macros`: change that, not this. -#}

{%- macro statement_cross_gram(dialect, matrix, t, reference, last, first, dimension, reference_dimension, normalize) -%}
-- Cross Gram matrix of the {{ t.side }}: the sum of x[i] * y[j] over the ids that this run (x) and the
-- reference (y) share, for all i and j{% if last - first + 1 < dimension %}; rows {{ first }} to {{ last }} of it{% endif %}.
SELECT
    '{{ t.side }}' AS side,
    {{ sqlstab.filled(dialect.divide, ["k", reference_dimension]) }} + {{ first }} AS i,
    mod(k, {{ reference_dimension }}) + 1 AS j,
    value,
    n_rows
FROM (
    SELECT
        n_rows,
        {{ sqlstab.filled(dialect.unnest[1], ["g.sums", (last - first + 1) * reference_dimension]) }} AS k,
        {{ sqlstab.filled(dialect.unnest[2], ["g.sums", (last - first + 1) * reference_dimension]) }} AS value
    FROM (
        SELECT
            count(*) AS n_rows,
            {% set sums -%}
            {%- for i in range(first, last + 1) %}
                {% for j in range(1, reference_dimension + 1) -%}
                sum({{ "x.w * " if t.weight }}x.x{{ i }} * y.x{{ j }}){{ ", " if not loop.last }}
                {%- endfor -%}
                {{- "," if not loop.last }}
            {%- endfor %}
            {% endset -%}
            {{ sqlstab.filled(dialect.array, [sums]) }} AS sums
        FROM (
            {{ sqlstab.part_as_columns(t, dialect, dimension, matrix, normalize, anchor=true, first=first) | indent(12) }}
        ) AS x
        JOIN (
            {{ sqlstab.part_as_columns(reference, dialect, reference_dimension, none, normalize) | indent(12) }}
        ) AS y USING (id)
    ) AS g
    {%- if dialect.unnest[0] %}
    {{ sqlstab.filled(dialect.unnest[0], ["g.sums", (last - first + 1) * reference_dimension]) }}
    {%- endif %}
) AS entries
ORDER BY i, j
{%- endmacro -%}
