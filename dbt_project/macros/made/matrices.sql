{#- Made from sql/matrices.sql.jinja by `make dbt-macros`: change that, not this. -#}

{#- Mirror the rows (side, i, j, value) with i <= j of Gram matrices. -#}
{%- macro part_matrices_mirrored(grams) -%}
SELECT
    side,
    i,
    j,
    value
FROM {{ grams }} AS upper_triangle
UNION ALL
SELECT
    side,
    j AS i,
    i AS j,
    value
FROM {{ grams }} AS lower_triangle
WHERE i < j
{%- endmacro -%}

{#- Rows (keys, n, value): the elements n = 1, 2, ... of x in rows (keys, x). -#}
{%- macro part_matrices_elements(dialect, rows, keys, n, size) -%}
SELECT
    {%- for key in keys %}
    m.{{ key }},
    {%- endfor %}
    {{ sqlstab.filled(dialect.unnest[1], ["m.x", size]) }} + 1 AS {{ n }},
    {{ sqlstab.filled(dialect.unnest[2], ["m.x", size]) }} AS value
FROM {{ rows }} AS m
{%- if dialect.unnest[0] %}
{{ sqlstab.filled(dialect.unnest[0], ["m.x", size]) }}
{%- endif %}
{%- endmacro -%}

{#- The transpose of rows (keys, i, x): rows (keys, n, x) of the elements n of each, in the order of i. -#}
{%- macro part_matrices_transposed(dialect, rows, keys, i, n, size) -%}
SELECT
    {%- for key in keys %}
    {{ key }},
    {%- endfor %}
    {{ n }},
    {{ sqlstab.filled(dialect.collect, ["value", i]) }} AS x
FROM (
    {{ sqlstab.part_matrices_elements(dialect, rows, keys + [i], n, size) | indent(4) }}
) AS e
GROUP BY
    {%- for key in keys %}
    {{ key }},
    {%- endfor %}
    {{ n }}
{%- endmacro -%}

{#- Columns (side, k, x) of G M, for columns (side, k, x) of M and rows (side, i, x) of G. -#}
{%- macro part_matrices_times_gram(dialect, columns, gram) -%}
SELECT
    b.side,
    b.k,
    {{ sqlstab.filled(dialect.collect, [sqlstab.filled(dialect.dot, ["g.x", "b.x"]), "g.i"]) }} AS x
FROM {{ columns }} AS b
JOIN {{ gram }} AS g ON g.side = b.side
GROUP BY
    b.side,
    b.k
{%- endmacro -%}

{#- Rows (side, i, x) of Gram matrices, from (side, i, j, value) with i <= j. -#}
{%- macro part_matrices_gram_rows(dialect, grams) -%}
SELECT
    side,
    i,
    {{ sqlstab.filled(dialect.collect, ["value", "j"]) }} AS x
FROM (
    {{ sqlstab.part_matrices_mirrored(grams) | indent(4) }}
) AS e
GROUP BY
    side,
    i
{%- endmacro -%}

{#- Recursive common table expressions of a singular value decomposition.

    Columns (k, x) of a matrix A, k from 1 on, become rows (k, s, y, v): s the singular values, largest first,
    y = A v the left singular vectors times s, v the right ones.

      name       of the result
      columns    the relation
      rows, size of A -#}
{%- macro part_matrices_svd(dialect, name, columns, rows, size) -%}
{%- set places = size + size % 2 -%}
{%- set sweep = [places - 1, 1] | max -%}
{%- set x = "x[1:" ~ rows ~ "]" -%}
-- One-sided Jacobi method: each column of A, with the same column of the identity below it, has a place, and turns
-- with the column at the opposite place until their parts of A are orthogonal. Then all but the first move on by one
-- place, so that in {{ sweep }} steps, a sweep, each has met each other.
{{ name }}_start AS (
    SELECT
        a.k,
        {{ sqlstab.filled(dialect.concat, ["a.x", sqlstab.filled(dialect.collect, ["CASE WHEN b.k = a.k THEN " ~ sqlstab.filled(dialect.as_double, ["1"]) ~ " ELSE 0 END", "b.k"])]) }} AS x
    FROM {{ columns }} AS a
    CROSS JOIN {{ columns }} AS b
    GROUP BY
        a.k,
        a.x
),
{{ name }}_steps(n, k, place, x, largest_cosine){{ sqlstab.filled(dialect.recursion_key, ["k"]) }} AS (
    SELECT
        0,
        k,
        k,
        x,
        {{ sqlstab.filled(dialect.as_double, ["1"]) }}
    FROM {{ name }}_start
    UNION ALL (
        WITH standing AS (
            SELECT
                *,
                {{ sqlstab.filled(dialect.dot, [x, x]) }} AS xx
            FROM {{ name }}_steps
            -- A sweep that finds cosines up to 1E-8 leaves none above 1E-15.
            WHERE n < {{ 40 * sweep }} AND (mod(n, {{ sweep }}) <> 0 OR largest_cosine > 1E-8)
        )
        SELECT
            n + 1,
            k,
            CASE place WHEN 1 THEN 1 WHEN {{ places }} THEN {{ [2, places] | min }} ELSE place + 1 END,
            CASE WHEN t = 0 THEN x ELSE {{ sqlstab.filled(dialect.combined, ["x", "y", "c", "-t * c"]) }} END,
            greatest(CASE WHEN mod(n, {{ sweep }}) = 0 THEN 0 ELSE largest_cosine END, max(cosine) OVER ())
        FROM (
            SELECT
                *,
                -- Cosine of the angle whose tangent is t; its sine is t c.
                1 / sqrt(1 + t * t) AS c
            FROM (
                SELECT
                    *,
                    -- The smaller root of t^2 + 2 z t = 1. What is y here is x in the row of y, with -z.
                    CASE
                        WHEN z > 0 OR (z = 0 AND place <= {{ places // 2 }}) THEN 1 / (z + sqrt(1 + z * z))
                        WHEN z <= 0 THEN -1 / (-z + sqrt(1 + z * z))
                        ELSE 0
                    END AS t
                FROM (
                    SELECT
                        *,
                        CASE WHEN cosine > 1E-15 THEN (yy - xx) / (2 * xy) END AS z
                    FROM (
                        SELECT
                            *,
                            -- A column this small beside the other is zero but for rounding errors.
                            CASE
                                WHEN least(xx, yy) > 1E-30 * greatest(xx, yy) THEN abs(xy) / sqrt(xx) / sqrt(yy)
                                ELSE 0
                            END AS cosine
                        FROM (
                            SELECT
                                a.*,
                                b.x AS y,
                                b.xx AS yy,
                                {{ sqlstab.filled(dialect.dot, ["a." ~ x, "b." ~ x]) }} AS xy
                            FROM standing AS a
                            {{ "LEFT " if size % 2 }}JOIN standing AS b ON b.place = {{ places + 1 }} - a.place
                            {{- sqlstab.part_fenced(dialect) | indent(28) }}
                        ) AS pairs
                        {{- sqlstab.part_fenced(dialect) | indent(24) }}
                    ) AS cosines
                    {{- sqlstab.part_fenced(dialect) | indent(20) }}
                ) AS angles
                {{- sqlstab.part_fenced(dialect) | indent(16) }}
            ) AS tangents
            {{- sqlstab.part_fenced(dialect) | indent(12) }}
        ) AS rotations
    )
),
{{ name }} AS (
    SELECT
        row_number() OVER (ORDER BY s DESC, k) AS k,
        s,
        y,
        v
    FROM (
        SELECT
            k,
            sqrt({{ sqlstab.filled(dialect.dot, [x, x]) }}) AS s,
            {{ x }} AS y,
            x[{{ rows + 1 }}:{{ rows + size }}] AS v
        FROM {{ name }}_steps
        WHERE n = (SELECT max(n) FROM {{ name }}_steps)
    ) AS c
)
{%- endmacro -%}
