{#- Made from sql/gram.sql.jinja by `make dbt-macros`: change that, not this. -#}

{%- macro statement_gram(dialect, matrix, t, other, last, first, dimension, weighted, normalize) -%}
-- Gram matrix of the {{ t.side }}{% if other %} that this run and the reference share{% endif %}:
-- the sum of x[i] * x[j] over the rows, for i <= j{% if last - first + 1 < dimension %}; rows {{ first }} to {{ last }} of it{% endif %}.
{% set width = dimension - first + 1 -%}
SELECT
    '{{ t.side }}' AS side,
    i,
    j,
    value,
    n_rows
FROM (
    SELECT
        {{ sqlstab.filled(dialect.divide, ["k", width]) }}{{ " + " ~ first }} AS i,
        mod(k, {{ width }}) + {{ first }} AS j,
        value,
        n_rows
    FROM (
        SELECT
            n_rows,
            {{ sqlstab.filled(dialect.unnest[1], ["g.sums", (last - first + 1) * width]) }} AS k,
            {{ sqlstab.filled(dialect.unnest[2], ["g.sums", (last - first + 1) * width]) }} AS value
        FROM (
            SELECT
                count(*) AS n_rows,
                {% set sums -%}
                {%- for i in range(first, last + 1) %}
                    {% for j in range(first, dimension + 1) -%}
                    {%- if j < i %}0E0{% else %}sum({{ "w * " if weighted }}x{{ i }} * x{{ j }}){% endif -%}
                    {{- ", " if not loop.last }}
                    {%- endfor -%}
                    {{- "," if not loop.last }}
                {%- endfor %}
                {% endset -%}
                {{ sqlstab.filled(dialect.array, [sums]) }} AS sums
            FROM (
                {{ sqlstab.part_as_columns(t, dialect, dimension, matrix, normalize, anchor=other is not none, first=first) | indent(16) }}
            ) AS r
            {%- if other %}
            JOIN (
                {{ sqlstab.part_ids(other, dialect, anchor=true, weight=weighted) | indent(16) }}
            ) AS other USING (id)
            {%- endif %}
        ) AS g
        {%- if dialect.unnest[0] %}
        {{ sqlstab.filled(dialect.unnest[0], ["g.sums", (last - first + 1) * width]) }}
        {%- endif %}
    ) AS entries
) AS gram
WHERE i <= j
ORDER BY i, j
{%- endmacro -%}
