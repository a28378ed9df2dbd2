{#- Made from sql/matrices.sql.jinja by `make dbt-macros`: change that, not this. -#}

{#- Mirror the rows (side, i, j, value) with i <= j of Gram matrices. -#}
{%- macro part_matrices_mirrored(grams) -%}
SELECT
    above.side AS side,
    above.i AS i,
    above.j AS j,
    above.value AS value
FROM {{ grams }} AS above
UNION ALL
SELECT
    below.side AS side,
    below.j AS i,
    below.i AS j,
    below.value AS value
FROM {{ grams }} AS below
WHERE below.i < below.j
{%- endmacro -%}

{#- Rows (keys, n, value): the elements n = 1, 2, ... of x in rows (keys, x). -#}
{%- macro part_matrices_elements(dialect, rows, keys, n, size) -%}
SELECT
    {%- for key in keys %}
    m.{{ key }} AS {{ key }},
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
    b.side AS side,
    b.k AS k,
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

{#- A common table expression: a singular value decomposition.

    Columns (k, x) of a matrix A, k from 1 on, become rows (k, s, y, v): s the singular values, largest first,
    y = A v the left singular vectors times s, v the right ones.

      name       of the result
      columns    the relation
      rows, size of A -#}
{%- macro part_matrices_svd(dialect, name, columns, rows, size) -%}
{%- set sweep = size if size % 2 else size - 1 -%}
{%- set x = sqlstab.filled(dialect.slice, ["x", 1, rows]) -%}
-- One-sided Jacobi method: each column of A, with the same column of the identity below it, has a place, and turns
-- with the column at the opposite place until their parts of A are orthogonal. Then all {{ "" if size % 2 else "but the first " }}move on by one
-- place, so that in {{ sweep }} steps, a sweep, each has met each other.
{{ name }} AS MATERIALIZED (
    WITH RECURSIVE
    start AS (
        SELECT
            a.k AS k,
            {{ sqlstab.filled(dialect.concat, ["a.x", sqlstab.filled(dialect.collect, ["CASE WHEN b.k = a.k THEN " ~ sqlstab.filled(dialect.as_double, ["1"]) ~ " ELSE 0 END", "b.k"])]) }} AS x
        FROM {{ columns }} AS a
        CROSS JOIN {{ columns }} AS b
        GROUP BY
            a.k,
            a.x
    ),
    steps{{ sqlstab.filled(dialect.recursion_key, ["k"]) }} AS (
        SELECT
            {{ sqlstab.filled(dialect.as_integer, ["0"]) }} AS n,
            {{ sqlstab.filled(dialect.as_integer, ["k"]) }} AS k,
            {{ sqlstab.filled(dialect.as_integer, ["k"]) }} AS place,
            x,
            {{ sqlstab.filled(dialect.as_double, ["1"]) }} AS found,
            {{ sqlstab.filled(dialect.as_double, ["1"]) }} AS found_before,
            {{ sqlstab.filled(dialect.as_double, ["1"]) }} AS heard
        FROM start
        UNION ALL (
            WITH standing AS (
                SELECT
                    *,
                    {{ sqlstab.filled(dialect.dot, [x, x]) }} AS xx
                FROM steps
                -- In a sweep each column finds cosines, and hears what all others found in the sweep before. If that
                -- was 1E-4 at most, this sweep found 1E-8 and left 1E-16, since the method converges quadratically.
                WHERE n < {{ 40 * sweep }} AND (mod(n, {{ sweep }}) <> 0 OR heard > 1E-4)
            )
            SELECT
                {{ sqlstab.filled(dialect.as_integer, ["n + 1"]) }} AS n,
                k,
                {%- if size % 2 %}
                {{ sqlstab.filled(dialect.as_integer, ["CASE WHEN place = " ~ size ~ " THEN 1 ELSE place + 1 END"]) }} AS place,
                {%- else %}
                {{ sqlstab.filled(dialect.as_integer, ["CASE WHEN place = 1 THEN 1 WHEN place = " ~ size ~ " THEN 2 ELSE place + 1 END"]) }} AS place,
                {%- endif %}
                CASE WHEN t = 0 THEN x ELSE {{ sqlstab.filled(dialect.combined, ["x", "y", "c", "-t * c"]) }} END AS x,
                CASE WHEN mod(n, {{ sweep }}) = 0 THEN cosine ELSE greatest(found, cosine) END AS found,
                CASE WHEN mod(n, {{ sweep }}) = 0 THEN found ELSE found_before END AS found_before,
                CASE WHEN mod(n, {{ sweep }}) = 0 THEN greatest(found, y_found) ELSE greatest(heard, y_found_before) END AS heard
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
                            WHEN cosine <= 1E-15 THEN 0
                            WHEN z > 0 OR (z = 0 AND place <= {{ size // 2 }}) THEN 1 / (z + sqrt(1 + z * z))
                            ELSE -1 / (-z + sqrt(1 + z * z))
                        END AS t
                    FROM (
                        SELECT
                            *,
                            CASE WHEN cosine > 1E-15 THEN (yy - xx) / (2 * xy) ELSE 0 END AS z
                        FROM (
                            SELECT
                                *,
                                -- A column this small beside the other is zero but for rounding errors.
                                CASE
                                    {%- if size % 2 %}
                                    -- The column in the middle is alone.
                                    WHEN place = {{ size // 2 + 1 }} THEN 0
                                    {%- endif %}
                                    WHEN least(xx, yy) > 1E-30 * greatest(xx, yy) THEN abs(xy) / sqrt(xx) / sqrt(yy)
                                    ELSE 0
                                END AS cosine
                            FROM (
                                SELECT
                                    a.*,
                                    b.x AS y,
                                    b.xx AS yy,
                                    b.found AS y_found,
                                    b.found_before AS y_found_before,
                                    {{ sqlstab.filled(dialect.dot, [sqlstab.filled(dialect.slice, ["a.x", 1, rows]), sqlstab.filled(dialect.slice, ["b.x", 1, rows])]) }} AS xy
                                FROM standing AS a
                                JOIN standing AS b ON b.place = {{ size + 1 }} - a.place
                                {{- sqlstab.part_fenced(dialect) | indent(32) }}
                            ) AS pairs
                            {{- sqlstab.part_fenced(dialect) | indent(28) }}
                        ) AS cosines
                        {{- sqlstab.part_fenced(dialect) | indent(24) }}
                    ) AS angles
                    {{- sqlstab.part_fenced(dialect) | indent(20) }}
                ) AS tangents
                {{- sqlstab.part_fenced(dialect) | indent(16) }}
            ) AS rotations
        )
    )
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
            {{ sqlstab.filled(dialect.slice, ["x", rows + 1, rows + size]) }} AS v
        FROM steps
        WHERE n = (SELECT max(n) FROM steps)
    ) AS c
)
{%- endmacro -%}
