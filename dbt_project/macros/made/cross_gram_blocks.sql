{#- Made from sql/cross_gram_blocks.sql.jinja by `make dbt-macros`: change that, not this. -#}

{%- macro statement_cross_gram_blocks(dialect, matrix, t, reference, dimension, normalize, reference_dimension) -%}
{%- set b = 4 -%}
-- Cross Gram matrix of the {{ t.side }}: the sum of x[i] * y[j] over the ids that this run (x) and the
-- reference (y) share, for all i and j. Row by row, in blocks of {{ b }} by {{ b }} that begin at (p, q).
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
                    sum({{ "w * " if t.weight }}a{{ i }} * b{{ j }}){{ ", " if not loop.last }}
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
                    {{ sqlstab.filled(dialect.element, ["y", "q + " ~ k if k else "q"]) }} AS b{{ k + 1 }}{{ "," if not loop.last or t.weight }}
                    {%- endfor %}
                    {%- if t.weight %}
                    w
                    {%- endif %}
                FROM (
                    SELECT
                        {{ sqlstab.filled(dialect.as_doubles, ["run.x"]) }} AS x,
                        {{ sqlstab.filled(dialect.as_doubles, ["reference.x"]) }} AS y
                        {%- if t.weight %},
                        run.w AS w
                        {%- endif %}
                    FROM (
                        {{ sqlstab.part_transformed(t, dialect, dimension, matrix, normalize, true) | indent(24) }}
                    ) AS run
                    JOIN (
                        {{ sqlstab.part_transformed(reference, dialect, reference_dimension, none, normalize) | indent(24) }}
                    ) AS reference USING (id)
                ) AS v
                {{ sqlstab.filled(dialect.steps, [1, dimension, b, "p"]) }}
                {{ sqlstab.filled(dialect.steps, [1, reference_dimension, b, "q"]) }}
            ) AS pieces
            GROUP BY
                p,
                q
        ) AS g
        {{ sqlstab.filled(dialect.unnest[0], ["g.sums", b * b]) }}
    ) AS entries
) AS gram
WHERE i <= {{ dimension }} AND j <= {{ reference_dimension }}
ORDER BY
    i,
    j
{%- endmacro -%}
