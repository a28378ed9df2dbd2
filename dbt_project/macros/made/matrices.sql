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

{#- An expression named for a body that uses it more than once, where lambdas are all there is. -#}
{%- macro part_matrices_let(dialect, name, expression, body) -%}
{{ sqlstab.filled(dialect.element, [sqlstab.filled(dialect.transform, [sqlstab.filled(dialect.array, [expression]), name, body]), 1]) }}
{%- endmacro -%}

{#- Values as one; `field` takes it apart. -#}
{%- macro part_matrices_struct(dialect, values) -%}
{%- set members -%}
{%- for value in values %}{{ sqlstab.filled(dialect.solving.member, [value, loop.index]) }}{{ ", " if not loop.last }}{% endfor -%}
{%- endset -%}
{{ sqlstab.filled(dialect.solving.struct, [members]) }}
{%- endmacro -%}

{#- A query: Cholesky factors with pivots, G = R'R, and their inverses, R P = I.

    Rows (side, i, x) of matrices G of unit diagonal become rows (side, i, r, p): column i of R and row i of P. Row i
    holds what is there of them so far, and what is left of the diagonal (d); the largest of what is left is the next
    pivot. What is below the floor may be rounding errors. -#}
{%- macro part_matrices_cholesky(dialect, matrices, size, floor) -%}
{%- if dialect.solving.way == "fold" -%}
{%- set start = sqlstab.part_matrices_struct(dialect, ["i", "x", dialect.solving.no_doubles, dialect.solving.no_doubles, sqlstab.filled(dialect.element, ["x", "i"])]) -%}
{%- set g = sqlstab.filled(dialect.solving.field, ["row", 2]) -%}
{%- set r = sqlstab.filled(dialect.solving.field, ["row", 3]) -%}
{%- set p = sqlstab.filled(dialect.solving.field, ["row", 4]) -%}
{%- set d = sqlstab.filled(dialect.solving.field, ["row", 5]) -%}
{%- set i = sqlstab.filled(dialect.solving.field, ["row", 1]) -%}
{%- set pivot = sqlstab.filled(dialect.solving.field, ["chosen", 1]) -%}
{%- set pivot_r = sqlstab.filled(dialect.solving.field, ["chosen", 3]) -%}
{%- set pivot_d = sqlstab.filled(dialect.solving.field, ["chosen", 5]) -%}
{%- set next_r -%}
CASE WHEN {{ d }} > {{ floor }} THEN ({{ sqlstab.filled(dialect.element, [g, pivot]) }} - {{ sqlstab.filled(dialect.dot, [r, pivot_r]) }}) / sqrt({{ pivot_d }}) ELSE 0E0 END
{%- endset -%}
{%- set next_p -%}
CASE WHEN {{ pivot_d }} > {{ floor }} THEN (CASE WHEN {{ i }} = {{ pivot }} THEN 1E0 ELSE 0E0 END - {{ sqlstab.filled(dialect.dot, [p, pivot_r]) }}) / sqrt({{ pivot_d }}) ELSE 0E0 END
{%- endset -%}
{%- set next_d = "CASE WHEN " ~ i ~ " = " ~ pivot ~ " THEN 0E0 ELSE " ~ d ~ " - entry * entry END" -%}
{%- set next_row = sqlstab.part_matrices_struct(dialect, [i, g, sqlstab.filled(dialect.solving.append, [r, "entry"]), sqlstab.filled(dialect.solving.append, [p, next_p]), next_d]) -%}
{%- set left = sqlstab.filled(dialect.transform, ["lines", "row", d]) -%}
{%- set largest = sqlstab.part_matrices_let(dialect, "diagonal", left, sqlstab.filled(dialect.element, ["lines", sqlstab.filled(dialect.solving.position, ["diagonal", sqlstab.filled(dialect.largest, ["diagonal"])])])) -%}
SELECT
    f.side AS side,
    {{ sqlstab.filled(dialect.unnest[1], ["f.factor", size]) }} + 1 AS i,
    {{ sqlstab.filled(dialect.solving.field, [sqlstab.filled(dialect.unnest[2], ["f.factor", size]), 3]) }} AS r,
    {{ sqlstab.filled(dialect.solving.field, [sqlstab.filled(dialect.unnest[2], ["f.factor", size]), 4]) }} AS p
FROM (
    SELECT
        side,
        {{ sqlstab.filled(dialect.solving.reduce, [
            sqlstab.filled(dialect.solving.counting, [size]), "start", "lines", "step",
            sqlstab.part_matrices_let(dialect, "chosen", largest, sqlstab.filled(dialect.transform, ["lines", "row", sqlstab.part_matrices_let(dialect, "entry", next_r, next_row)]))]) }} AS factor
    FROM (
        SELECT
            side,
            {{ sqlstab.filled(dialect.collect, [start, "i"]) }} AS start
        FROM {{ matrices }} AS m
        GROUP BY side
    ) AS g
) AS f
{{ sqlstab.filled(dialect.unnest[0], ["f.factor", size]) }}
{%- else -%}
WITH RECURSIVE
steps{{ sqlstab.filled(dialect.solving.recursion_key, ["side, i"]) }} AS (
    SELECT
        {{ sqlstab.filled(dialect.as_integer, ["0"]) }} AS n,
        side,
        i,
        {{ dialect.solving.no_doubles }} AS r,
        {{ dialect.solving.no_doubles }} AS p,
        {{ sqlstab.filled(dialect.element, ["x", "i"]) }} AS d
    FROM {{ matrices }} AS m
    UNION ALL (
        WITH standing AS (
            SELECT *
            FROM steps
            WHERE n < {{ size }}
        ),
        chosen AS (
            SELECT
                side,
                i,
                d,
                r,
                row_number() OVER (PARTITION BY side ORDER BY d DESC, i) AS place
            FROM standing
        )
        SELECT
            {{ sqlstab.filled(dialect.as_integer, ["n + 1"]) }} AS n,
            side,
            i,
            {{ sqlstab.filled(dialect.solving.append, ["r", "entry"]) }} AS r,
            {{ sqlstab.filled(dialect.solving.append, ["p", "CASE WHEN pivot_d > " ~ floor ~ " THEN (CASE WHEN i = pivot_i THEN 1 ELSE 0 END - coalesce("
                ~ sqlstab.filled(dialect.dot, ["p", "pivot_r"]) ~ ", 0)) / sqrt(pivot_d) ELSE 0 END"]) }} AS p,
            CASE WHEN i = pivot_i THEN 0 ELSE d - entry * entry END AS d
        FROM (
            SELECT
                s.*,
                c.i AS pivot_i,
                c.d AS pivot_d,
                c.r AS pivot_r,
                CASE
                    WHEN s.d > {{ floor }}
                    THEN ({{ sqlstab.filled(dialect.element, ["g.x", "s.i"]) }} - coalesce({{ sqlstab.filled(dialect.dot, ["s.r", "c.r"]) }}, 0)) / sqrt(c.d)
                    ELSE 0
                END AS entry
            FROM standing AS s
            JOIN chosen AS c ON c.side = s.side AND c.place = 1
            JOIN {{ matrices }} AS g ON g.side = c.side AND g.i = c.i
        ) AS entries
    )
)
SELECT
    side,
    i,
    r,
    p
FROM steps
WHERE n = {{ size }}
{%- endif -%}
{%- endmacro -%}

{#- A query: the one-sided Jacobi method.

    Columns (k, x) of a matrix A, k from 1 on, become rows (k, y): the columns of A V for the orthogonal V that makes
    them orthogonal to each other. Each has a place, and turns with the column at the opposite place; then all (but
    the first, if their number is even) move on by one place, so that in a sweep each has met each other. -#}
{%- macro part_matrices_jacobi(dialect, columns, size) -%}
{%- set sweep = size if size % 2 else size - 1 -%}
{%- set half = size // 2 -%}
{%- if dialect.solving.way == "fold" -%}
{%- set p1 = sqlstab.filled(dialect.solving.field, ["pair", 1]) -%}
{%- set p2 = sqlstab.filled(dialect.solving.field, ["pair", 2]) -%}
{%- set p3 = sqlstab.filled(dialect.solving.field, ["pair", 3]) -%}
{%- set p4 = sqlstab.filled(dialect.solving.field, ["pair", 4]) -%}
{%- set p5 = sqlstab.filled(dialect.solving.field, ["pair", 5]) -%}
{%- set columns_now = sqlstab.filled(dialect.solving.field, ["now", 1]) -%}
{%- set found_now = sqlstab.filled(dialect.solving.field, ["now", 2]) -%}
{%- set pairs = sqlstab.filled(dialect.solving.zip_with, [
    sqlstab.filled(dialect.solving.slice, [columns_now, 1, half]), sqlstab.filled(dialect.solving.reverse, [sqlstab.filled(dialect.solving.slice, [columns_now, size - half + 1, size])]), "x", "y",
    sqlstab.part_matrices_struct(dialect, ["x", "y", sqlstab.filled(dialect.dot, ["x", "x"]), sqlstab.filled(dialect.dot, ["y", "y"]), sqlstab.filled(dialect.dot, ["x", "y"])])]) -%}
{#- A column this small beside the other is zero but for rounding errors. -#}
{%- set cosine = "CASE WHEN least(" ~ p3 ~ ", " ~ p4 ~ ") > 1E-30 * greatest(" ~ p3 ~ ", " ~ p4 ~ ") THEN abs(" ~ p5 ~ ") / sqrt(" ~ p3 ~ ") / sqrt(" ~ p4 ~ ") ELSE 0E0 END" -%}
{%- set z = "CASE WHEN " ~ p5 ~ " <> 0 THEN (" ~ p4 ~ " - " ~ p3 ~ ") / (2 * " ~ p5 ~ ") ELSE 0E0 END" -%}
{%- set with_cosines = sqlstab.filled(dialect.transform, [pairs, "pair", sqlstab.part_matrices_struct(dialect, [p1, p2, cosine, z])]) -%}
{#- The smaller root of t^2 + 2 z t = 1: the tangent of the angle to turn by; 1 / sqrt(1 + t^2) is its cosine. -#}
{%- set tangent = "CASE WHEN " ~ p3 ~ " <= 1E-15 THEN 0E0 WHEN " ~ p4 ~ " >= 0 THEN 1 / (" ~ p4 ~ " + sqrt(1 + " ~ p4 ~ " * " ~ p4 ~ ")) ELSE -1 / (sqrt(1 + " ~ p4 ~ " * " ~ p4 ~ ") - " ~ p4 ~ ") END" -%}
{%- set with_tangents = sqlstab.filled(dialect.transform, [with_cosines, "pair", sqlstab.part_matrices_struct(dialect, [p1, p2, p3, tangent])]) -%}
{%- set turned = sqlstab.filled(dialect.transform, [with_tangents, "pair", sqlstab.part_matrices_let(dialect, "t", p4, sqlstab.part_matrices_let(dialect, "c", "1 / sqrt(1 + t * t)",
    sqlstab.part_matrices_struct(dialect, [
        sqlstab.filled(dialect.solving.zip_with, [p1, p2, "u", "w", "c * (u - t * w)"]),
        sqlstab.filled(dialect.solving.zip_with, [p1, p2, "u", "w", "c * (w + t * u)"]),
        p3])))]) -%}
{%- set fronts = sqlstab.filled(dialect.transform, ["turned", "pair", p1]) -%}
{%- set backs = sqlstab.filled(dialect.solving.reverse, [sqlstab.filled(dialect.transform, ["turned", "pair", p2])]) -%}
{%- set step -%}
{%- if size % 2 -%}
{%- set placed = sqlstab.filled(dialect.concat, [sqlstab.filled(dialect.concat, [fronts, sqlstab.filled(dialect.solving.slice, [columns_now, half + 1, half + 1])]), backs]) -%}
{%- set moved = sqlstab.filled(dialect.concat, [sqlstab.filled(dialect.solving.slice, ["placed", size, size]), sqlstab.filled(dialect.solving.slice, ["placed", 1, size - 1])]) -%}
{%- else -%}
{%- set placed = sqlstab.filled(dialect.concat, [fronts, backs]) -%}
{%- set moved = sqlstab.filled(dialect.concat, [
    sqlstab.filled(dialect.concat, [sqlstab.filled(dialect.solving.slice, ["placed", 1, 1]), sqlstab.filled(dialect.solving.slice, ["placed", size, size])]),
    sqlstab.filled(dialect.solving.slice, ["placed", 2, size - 1])]) -%}
{%- endif -%}
{{ sqlstab.part_matrices_let(dialect, "turned", turned, sqlstab.part_matrices_struct(dialect, [
    sqlstab.part_matrices_let(dialect, "placed", placed, moved),
    "greatest(" ~ found_now ~ ", " ~ sqlstab.filled(dialect.largest, [sqlstab.filled(dialect.transform, ["turned", "pair", p3])]) ~ ")"])) }}
{%- endset -%}
{%- set last = sqlstab.filled(dialect.solving.field, ["last", 1]) -%}
{%- set found = sqlstab.filled(dialect.solving.field, ["last", 2]) -%}
{#- A sweep that found cosines of at most 1E-8 left 1E-16, since the method converges quadratically. -#}
{%- set steps = sqlstab.filled(dialect.solving.slice, [sqlstab.filled(dialect.solving.counting, [sweep]), 1, "CASE WHEN " ~ found ~ " > 1E-8 THEN " ~ sweep ~ " ELSE 0 END"]) -%}
SELECT
    {{ sqlstab.filled(dialect.unnest[1], ["f.columns", size]) }} + 1 AS k,
    {{ sqlstab.filled(dialect.unnest[2], ["f.columns", size]) }} AS y
FROM (
    SELECT
        {% if size == 1 -%}
        columns
        {%- else -%}
        {{ sqlstab.filled(dialect.solving.field, [sqlstab.filled(dialect.solving.reduce, [
            sqlstab.filled(dialect.solving.counting, [40]), sqlstab.part_matrices_struct(dialect, ["columns", "1E0"]), "last", "sweep",
            sqlstab.filled(dialect.solving.reduce, [steps, sqlstab.part_matrices_struct(dialect, [last, "0E0"]), "now", "step", step])]), 1]) }}
        {%- endif %} AS columns
    FROM (
        SELECT {{ sqlstab.filled(dialect.collect, ["x", "k"]) }} AS columns
        FROM {{ columns }} AS m
    ) AS a
) AS f
{{ sqlstab.filled(dialect.unnest[0], ["f.columns", size]) }}
{%- else -%}
WITH RECURSIVE
steps{{ sqlstab.filled(dialect.solving.recursion_key, ["k"]) }} AS (
    SELECT
        {{ sqlstab.filled(dialect.as_integer, ["0"]) }} AS n,
        {{ sqlstab.filled(dialect.as_integer, ["k"]) }} AS k,
        {{ sqlstab.filled(dialect.as_integer, ["k"]) }} AS place,
        x,
        {{ sqlstab.filled(dialect.as_double, ["1"]) }} AS found,
        {{ sqlstab.filled(dialect.as_double, ["1"]) }} AS found_before,
        {{ sqlstab.filled(dialect.as_double, ["1"]) }} AS heard
    FROM {{ columns }} AS m
    UNION ALL (
        WITH standing AS (
            SELECT
                *,
                {{ sqlstab.filled(dialect.dot, ["x", "x"]) }} AS xx
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
            CASE WHEN t = 0 THEN x ELSE {{ sqlstab.filled(dialect.solving.combined, ["x", "y", "c", "-t * c"]) }} END AS x,
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
                        WHEN z > 0 OR (z = 0 AND place <= {{ half }}) THEN 1 / (z + sqrt(1 + z * z))
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
                                WHEN place = {{ half + 1 }} THEN 0
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
                                {{ sqlstab.filled(dialect.dot, ["a.x", "b.x"]) }} AS xy
                            FROM standing AS a
                            JOIN standing AS b ON b.place = {{ size + 1 }} - a.place
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
)
SELECT
    k,
    x AS y
FROM steps
WHERE n = (SELECT max(n) FROM steps)
{%- endif -%}
{%- endmacro -%}

{#- A query: the orthogonal polar factor A B' of C = A D B'.

    Rows (k, x) of C, of which there are no more than columns, become rows (k, x) of the factor. From X = C / |C| on,
    X = r (3 I - r^2 X X') X / 2 is repeated, which makes each singular value s of X one of r s (3 - r^2 s^2) / 2. With
    the r that follows from the least of interest, that comes as near to 1 as it can for all between least and 1 (Chen
    and Chow 2014). In 24 steps all from 1.5E-8 on are 1, to the last digit; those below 1E-8 are not. -#}
{%- macro part_matrices_polar(dialect, rows, columns) -%}
{%- set r = "sqrt(3 / (1 + least + least * least))" -%}
{%- set next_least = "factor * least * (3 - factor * factor * least * least) / 2" -%}
{%- if dialect.solving.way == "fold" -%}
{%- set lines = sqlstab.filled(dialect.solving.field, ["now", 1]) -%}
{%- set least = sqlstab.filled(dialect.solving.field, ["now", 2]) -%}
{%- set squares = sqlstab.filled(dialect.transform, ["lines", "line", sqlstab.filled(dialect.times, ["line", "lines"])]) -%}
{%- set across = sqlstab.filled(dialect.transform, [sqlstab.filled(dialect.solving.counting, [columns]), "place", sqlstab.filled(dialect.transform, ["lines", "line", sqlstab.filled(dialect.element, ["line", "place"])])]) -%}
{%- set product = sqlstab.filled(dialect.solving.zip_with, ["lines", squares, "line", "square", sqlstab.filled(dialect.solving.zip_with, ["line", sqlstab.filled(dialect.times, ["square", "across"]), "u", "w", "factor * (3 * u - factor * factor * w) / 2"])]) -%}
SELECT
    {{ sqlstab.filled(dialect.unnest[1], ["f.lines", columns]) }} + 1 AS k,
    {{ sqlstab.filled(dialect.unnest[2], ["f.lines", columns]) }} AS x
FROM (
    SELECT
        {{ sqlstab.filled(dialect.solving.field, [sqlstab.filled(dialect.solving.reduce, [
            sqlstab.filled(dialect.solving.counting, [24]), sqlstab.part_matrices_struct(dialect, ["lines", "1.5E-8"]), "now", "step",
            sqlstab.part_matrices_let(dialect, "lines", lines, sqlstab.part_matrices_let(dialect, "least", least, sqlstab.part_matrices_let(dialect, "factor", r, sqlstab.part_matrices_let(dialect, "across", across,
                sqlstab.part_matrices_struct(dialect, [product, next_least])))))]), 1]) }} AS lines
    FROM (
        SELECT {{ sqlstab.filled(dialect.collect, [sqlstab.filled(dialect.scaled, ["x", "size"]), "k"]) }} AS lines
        FROM (
            {{ sqlstab.part_matrices_sized(dialect, rows) | indent(12) }}
        ) AS m
    ) AS c
) AS f
{{ sqlstab.filled(dialect.unnest[0], ["f.lines", columns]) }}
{%- else -%}
WITH RECURSIVE
steps{{ sqlstab.filled(dialect.solving.recursion_key, ["k"]) }} AS (
    SELECT
        {{ sqlstab.filled(dialect.as_integer, ["0"]) }} AS n,
        k,
        {{ sqlstab.filled(dialect.scaled, ["x", "size"]) }} AS x,
        {{ sqlstab.filled(dialect.as_double, ["1.5E-8"]) }} AS least
    FROM (
        {{ sqlstab.part_matrices_sized(dialect, rows) | indent(8) }}
    ) AS m
    UNION ALL (
        WITH standing AS (
            SELECT
                *,
                {{ r }} AS factor
            FROM steps
            WHERE n < 24
        ),
        -- Rows of X X', and columns of X.
        squares AS (
            SELECT
                a.k AS k,
                {{ sqlstab.filled(dialect.collect, [sqlstab.filled(dialect.dot, ["a.x", "b.x"]), "b.k"]) }} AS x
            FROM standing AS a
            CROSS JOIN standing AS b
            GROUP BY a.k
        ),
        across AS (
            {{ sqlstab.part_matrices_transposed(dialect, "standing", [], "k", "j", columns) | indent(12) }}
        ),
        products AS (
            SELECT
                s.k AS k,
                {{ sqlstab.filled(dialect.collect, [sqlstab.filled(dialect.dot, ["s.x", "c.x"]), "c.j"]) }} AS y
            FROM squares AS s
            CROSS JOIN across AS c
            GROUP BY s.k
        )
        SELECT
            {{ sqlstab.filled(dialect.as_integer, ["n + 1"]) }} AS n,
            a.k AS k,
            {{ sqlstab.filled(dialect.solving.combined, ["x", "y", "1.5 * factor", "-0.5 * factor * factor * factor"]) }} AS x,
            {{ next_least }} AS least
        FROM standing AS a
        JOIN products AS b ON b.k = a.k
    )
)
SELECT
    k,
    x
FROM steps
WHERE n = 24
{%- endif -%}
{%- endmacro -%}

{#- Rows of a matrix with its size: the root of the sum of squares; 1 for a matrix of zeros. -#}
{%- macro part_matrices_sized(dialect, rows) -%}
SELECT
    m.k AS k,
    m.x AS x,
    t.size AS size
FROM {{ rows }} AS m
CROSS JOIN (
    SELECT coalesce(nullif(sqrt({{ sqlstab.filled(dialect.dot, ["lengths", "lengths"]) }}), 0), 1) AS size
    FROM (
        -- In the order of k: a sum in no order would not be the same each time.
        SELECT {{ sqlstab.filled(dialect.collect, ["sqrt(" ~ sqlstab.filled(dialect.dot, ["x", "x"]) ~ ")", "k"]) }} AS lengths
        FROM {{ rows }} AS c
    ) AS l
) AS t
{%- endmacro -%}
