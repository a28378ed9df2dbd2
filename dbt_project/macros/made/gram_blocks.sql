{#- Made from sql/gram_blocks.sql.jinja by `make dbt-macros`: change that, not this. -#}

{%- macro statement_gram_blocks(dialect, matrix, t, other, weighted, dimension, normalize) -%}
{%- set b = 4 -%}
-- Gram matrix of the {{ t.side }}{% if other %} that this run and the reference share{% endif %}:
-- the sum of x[i] * x[j] over the rows, for i <= j. Row by row, in blocks of {{ b }} by {{ b }} that begin at (p, q).
SELECT
    '{{ t.side }}' AS side,
    i,
    j,
    value,
    n_rows
FROM (
    SELECT
        p + {{ sqlstab.filled(dialect.divide, ["k", b]) }} AS i,
        q + mod(k, {{ b }}) AS j,
        value,
        n_rows
    FROM (
        SELECT
            p,
            q,
            n_rows,
            {{ sqlstab.filled(dialect.unnest[1], ["g.sums", b * b]) }} AS k,
            {{ sqlstab.filled(dialect.unnest[2], ["g.sums", b * b]) }} AS value
        FROM (
            SELECT
                p,
                q,
                count(*) AS n_rows,
                {% set sums -%}
                {%- for i in range(1, b + 1) %}
                    {% for j in range(1, b + 1) -%}
                    sum({{ "w * " if weighted }}a{{ i }} * b{{ j }}){{ ", " if not loop.last }}
                    {%- endfor -%}
                    {{- "," if not loop.last }}
                {%- endfor %}
                {% endset -%}
                {{ sqlstab.filled(dialect.array, [sums]) }} AS sums
            FROM (
                SELECT
                    p,
                    q,
                    {%- for k in range(b) %}
                    {{ sqlstab.filled(dialect.element, ["x", "p + " ~ k if k else "p"]) }} AS a{{ k + 1 }},
                    {%- endfor %}
                    {%- for k in range(b) %}
                    {{ sqlstab.filled(dialect.element, ["x", "q + " ~ k if k else "q"]) }} AS b{{ k + 1 }}{{ "," if not loop.last or weighted }}
                    {%- endfor %}
                    {%- if weighted %}
                    w
                    {%- endif %}
                FROM (
                    SELECT
                        {{ sqlstab.filled(dialect.as_doubles, ["r.x"]) }} AS x
                        {%- if weighted %},
                        w
                        {%- endif %}
                    FROM (
                        {{ sqlstab.part_transformed(t, dialect, dimension, matrix, normalize, other is not none) | indent(24) }}
                    ) AS r
                    {%- if other %}
                    JOIN (
                        {{ sqlstab.part_ids(other, dialect, anchor=true, weight=weighted) | indent(24) }}
                    ) AS other USING (id)
                    {%- endif %}
                ) AS v
                {{ sqlstab.filled(dialect.steps, [1, dimension, b, "p"]) }}
                {{ sqlstab.filled(dialect.steps, ["p", dimension, b, "q"]) }}
            ) AS pieces
            GROUP BY
                p,
                q
        ) AS g
        {{ sqlstab.filled(dialect.unnest[0], ["g.sums", b * b]) }}
    ) AS entries
) AS gram
WHERE i <= j AND j <= {{ dimension }}
ORDER BY
    i,
    j
{%- endmacro -%}
