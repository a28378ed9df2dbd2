{#- Made from sql/ by `make dbt-macros`: change that, not this. -#}

{% macro duckdb__solve(dimension) -%}
-- The two maps, from sums. Rows (name, i, j, value): name is users or items for the maps, singular_values (j = 1), or that of a figure (i = j = 1).
WITH
-- The Gram matrices G_T = T'T of the items and G_W = W'W of the users: rows, and the norms of the columns of T and W.
gram AS MATERIALIZED (
    SELECT
        side,
        i,
        list(value ORDER BY j) AS x
    FROM (
        SELECT
            above.side AS side,
            above.i AS i,
            above.j AS j,
            above.value AS value
        FROM sqlstab_grams AS above
        UNION ALL
        SELECT
            below.side AS side,
            below.j AS i,
            below.i AS j,
            below.value AS value
        FROM sqlstab_grams AS below
        WHERE below.i < below.j
    ) AS e
    GROUP BY
        side,
        i
),
norms AS MATERIALIZED (
    SELECT
        side,
        i,
        sqrt(value) AS norm,
        n_rows
    FROM sqlstab_grams AS g
    WHERE i = j
),
-- 1. Cholesky with pivots: G = R'R, and P with R P = I. All columns of T and W are scaled to length one first.
unit_gram AS MATERIALIZED (
    SELECT
        g.side AS side,
        g.i AS i,
        list(coalesce(g.value / nullif(a.norm, 0) / nullif(b.norm, 0), 0) ORDER BY g.j) AS x
    FROM (
        SELECT
            above.side AS side,
            above.i AS i,
            above.j AS j,
            above.value AS value
        FROM sqlstab_grams AS above
        UNION ALL
        SELECT
            below.side AS side,
            below.j AS i,
            below.i AS j,
            below.value AS value
        FROM sqlstab_grams AS below
        WHERE below.i < below.j
    ) AS g
    JOIN norms AS a ON a.side = g.side AND a.i = g.i
    JOIN norms AS b ON b.side = g.side AND b.i = g.j
    GROUP BY
        g.side,
        g.i
),
unit_factors AS MATERIALIZED (
    WITH RECURSIVE
    steps USING KEY (side, i) AS (
        SELECT
            CAST(0 AS INTEGER) AS n,
            side,
            i,
            CAST([] AS DOUBLE[]) AS r,
            CAST([] AS DOUBLE[]) AS p,
            x[i] AS d
        FROM unit_gram AS m
        UNION ALL (
            WITH standing AS (
                SELECT *
                FROM steps
                WHERE n < {{ dimension }}
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
                CAST(n + 1 AS INTEGER) AS n,
                side,
                i,
                list_append(r, entry) AS r,
                list_append(p, CASE WHEN pivot_d > {{ 4 * dimension * 2.220446049250313e-16 }} THEN (CASE WHEN i = pivot_i THEN 1 ELSE 0 END - coalesce(list_dot_product(p, pivot_r), 0)) / sqrt(pivot_d) ELSE 0 END) AS p,
                CASE WHEN i = pivot_i THEN 0 ELSE d - entry * entry END AS d
            FROM (
                SELECT
                    s.*,
                    c.i AS pivot_i,
                    c.d AS pivot_d,
                    c.r AS pivot_r,
                    CASE
                        WHEN s.d > {{ 4 * dimension * 2.220446049250313e-16 }}
                        THEN (g.x[s.i] - coalesce(list_dot_product(s.r, c.r), 0)) / sqrt(c.d)
                        ELSE 0
                    END AS entry
                FROM standing AS s
                JOIN chosen AS c ON c.side = s.side AND c.place = 1
                JOIN unit_gram AS g ON g.side = c.side AND g.i = c.i
            ) AS entries
        )
    )
    SELECT
        side,
        i,
        r,
        p
    FROM steps
    WHERE n = {{ dimension }}
),
-- Columns i of R (x) and rows i of P (p).
factors AS MATERIALIZED (
    SELECT
        f.side AS side,
        f.i AS i,
        list_transform(f.r, lambda v: v / coalesce(1 / nullif(m.norm, 0), 1)) AS x,
        list_transform(f.p, lambda v: v / coalesce(nullif(m.norm, 0), 1)) AS p,
        m.norm AS norm
    FROM unit_factors AS f
    JOIN norms AS m ON m.side = f.side AND m.i = f.i
),
-- Rows n of R.
triangles AS MATERIALIZED (
    SELECT
        side,
        n,
        list(value ORDER BY i) AS x
    FROM (
        SELECT
            m.side AS side,
            m.i AS i,
            unnest(range({{ dimension }})) + 1 AS n,
            unnest(m.x) AS value
        FROM factors AS m
    ) AS e
    GROUP BY
        side,
        n
),
-- 2. The singular value decomposition R_T R_W' = U S V', whose columns times V are U S; S are the singular values of
-- the scores T W'.
scores AS MATERIALIZED (
    SELECT
        w.n AS k,
        list(list_dot_product(t.x, w.x) ORDER BY t.n) AS x
    FROM (SELECT n, x FROM triangles WHERE side = 'users') AS w
    CROSS JOIN (SELECT n, x FROM triangles WHERE side = 'items') AS t
    GROUP BY w.n
),
orthogonal AS MATERIALIZED (
    WITH RECURSIVE
    steps USING KEY (k) AS (
        SELECT
            CAST(0 AS INTEGER) AS n,
            CAST(k AS INTEGER) AS k,
            CAST(k AS INTEGER) AS place,
            x,
            CAST(1 AS DOUBLE) AS found,
            CAST(1 AS DOUBLE) AS found_before,
            CAST(1 AS DOUBLE) AS heard
        FROM scores AS m
        UNION ALL (
            WITH standing AS (
                SELECT
                    *,
                    list_dot_product(x, x) AS xx
                FROM steps
                -- In a sweep each column finds cosines, and hears what all others found in the sweep before. If that
                -- was 1E-4 at most, this sweep found 1E-8 and left 1E-16, since the method converges quadratically.
{%- if dimension % 2 %}
                WHERE n < {{ 40 * dimension }} AND (mod(n, {{ dimension }}) <> 0 OR heard > 1E-4)
{%- else %}
                WHERE n < {{ 40 * (dimension - 1) }} AND (mod(n, {{ (dimension - 1) }}) <> 0 OR heard > 1E-4)
{%- endif %}
            )
            SELECT
                CAST(n + 1 AS INTEGER) AS n,
                k,
{%- if dimension % 2 %}
                CAST(CASE WHEN place = {{ dimension }} THEN 1 ELSE place + 1 END AS INTEGER) AS place,
{%- else %}
                CAST(CASE WHEN place = 1 THEN 1 WHEN place = {{ dimension }} THEN 2 ELSE place + 1 END AS INTEGER) AS place,
{%- endif %}
                CASE WHEN t = 0 THEN x ELSE list_transform(list_zip(x, y), lambda p: c * p[1] + -t * c * p[2]) END AS x,
{%- if dimension % 2 %}
                CASE WHEN mod(n, {{ dimension }}) = 0 THEN cosine ELSE greatest(found, cosine) END AS found,
                CASE WHEN mod(n, {{ dimension }}) = 0 THEN found ELSE found_before END AS found_before,
                CASE WHEN mod(n, {{ dimension }}) = 0 THEN greatest(found, y_found) ELSE greatest(heard, y_found_before) END AS heard
{%- else %}
                CASE WHEN mod(n, {{ (dimension - 1) }}) = 0 THEN cosine ELSE greatest(found, cosine) END AS found,
                CASE WHEN mod(n, {{ (dimension - 1) }}) = 0 THEN found ELSE found_before END AS found_before,
                CASE WHEN mod(n, {{ (dimension - 1) }}) = 0 THEN greatest(found, y_found) ELSE greatest(heard, y_found_before) END AS heard
{%- endif %}
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
                            WHEN z > 0 OR (z = 0 AND place <= {{ dimension // 2 }}) THEN 1 / (z + sqrt(1 + z * z))
                            ELSE -1 / (-z + sqrt(1 + z * z))
                        END AS t
                    FROM (
                        SELECT
                            *,
                            CASE WHEN cosine > 1E-15 THEN (yy - xx) / (2 * xy) ELSE 0 END AS z
                        FROM (
                            SELECT
                                *,
                                -- A column this small next to the other is zero but for rounding errors.
                                CASE
{%- if dimension % 2 %}
                                    -- The column in the middle is alone.
                                    WHEN place = {{ (dimension // 2 + 1) }} THEN 0
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
                                    list_dot_product(a.x, b.x) AS xy
                                FROM standing AS a
                                JOIN standing AS b ON b.place = {{ (dimension + 1) }} - a.place
                            ) AS pairs
                        ) AS cosines
                    ) AS angles
                ) AS tangents
            ) AS rotations
        )
    )
    SELECT
        k,
        x AS y
    FROM steps
    WHERE n = (SELECT max(n) FROM steps)
),
singular AS MATERIALIZED (
    SELECT
        CAST(row_number() OVER (ORDER BY length DESC, k) AS INTEGER) AS k,
        CASE WHEN length > {{ 4 * dimension * 2.220446049250313e-16 }} * max(length) OVER () THEN length ELSE 0 END AS s,
        y
    FROM (
        SELECT
            k,
            y,
            sqrt(list_dot_product(y, y)) AS length
        FROM orthogonal
    ) AS c
),
-- 3. The columns k of M_T = P_T U S^(1/2) and M_W = R_T' U S^(-1/2): T M_T and W M_W have the same Gram matrix, S.
balanced AS MATERIALIZED (
    SELECT
        o.side AS side,
        c.k AS k,
        c.s AS s,
        list(CASE WHEN c.s = 0 OR f.norm = 0 THEN 0 WHEN o.side = 'items' THEN list_dot_product(f.p, c.y) / sqrt(c.s) ELSE list_dot_product(f.x, c.y) / (c.s * sqrt(c.s)) END ORDER BY f.i) AS x
    FROM singular AS c
    CROSS JOIN (SELECT 'users' AS side UNION ALL SELECT 'items' AS side) AS o
    JOIN (
        SELECT
            m.side AS side,
            f.i AS i,
            f.x AS x,
            f.p AS p,
            m.norm AS norm
        FROM factors AS f
        JOIN norms AS m ON m.i = f.i
        WHERE f.side = 'items'
    ) AS f ON f.side = o.side
    GROUP BY
        o.side,
        c.k,
        c.s
),
balanced_rows AS MATERIALIZED (
    SELECT
        side,
        i,
        list(value ORDER BY k) AS x
    FROM (
        SELECT
            m.side AS side,
            m.k AS k,
            unnest(range({{ dimension }})) + 1 AS i,
            unnest(m.x) AS value
        FROM balanced AS m
    ) AS e
    GROUP BY
        side,
        i
),
-- 5. The maps: M_T for the items, M_W for the users. The first run defines the space: principal axes of
-- the scores, whose signs make the largest entry of each column of M_T positive.
maps AS MATERIALIZED (
    SELECT
        e.side AS side,
        e.i AS i,
        e.k AS j,
        e.value * signs.sign AS value
    FROM (
        SELECT
            m.side AS side,
            m.k AS k,
            unnest(range({{ dimension }})) + 1 AS i,
            unnest(m.x) AS value
        FROM balanced AS m
    ) AS e
    JOIN (
        SELECT
            k,
            CASE WHEN value < 0 THEN -1 ELSE 1 END AS sign
        FROM (
            SELECT
                k,
                value,
                row_number() OVER (PARTITION BY k ORDER BY abs(value) DESC, i) AS place
            FROM (
                SELECT
                    m.k AS k,
                    unnest(range({{ dimension }})) + 1 AS i,
                    unnest(m.x) AS value
                FROM (SELECT k, x FROM balanced WHERE side = 'items') AS m
            ) AS e
        ) AS by_size
        WHERE place = 1
    ) AS signs ON signs.k = e.k
),
-- Proof. The balanced Gram matrices M'GM must be S: the largest error of an entry (k, l), relative to sqrt(s_k s_l).
gram_balanced AS MATERIALIZED (
    SELECT
        b.side AS side,
        b.k AS k,
        list(list_dot_product(g.x, b.x) ORDER BY g.i) AS x
    FROM balanced AS b
    JOIN gram AS g ON g.side = b.side
    GROUP BY
        b.side,
        b.k
),
gram_errors AS MATERIALIZED (
    SELECT
        b.side AS side,
        max(abs(list_dot_product(b.x, p.x) - CASE WHEN b.k = p.k THEN b.s ELSE 0 END) / sqrt(b.s) / sqrt(c.s)) AS value
    FROM balanced AS b
    JOIN gram_balanced AS p ON p.side = b.side
    JOIN singular AS c ON c.k = p.k
    WHERE b.s > 0 AND c.s > 0
    GROUP BY b.side
),
-- Scores must not change: the largest entry of R_T (M_T M_W' - I) R_W', relative to the largest singular value.
triangles_balanced AS MATERIALIZED (
    SELECT
        t.side AS side,
        t.n AS n,
        list(list_dot_product(t.x, b.x) ORDER BY b.k) AS x
    FROM triangles AS t
    JOIN balanced AS b ON b.side = t.side
    GROUP BY
        t.side,
        t.n
),
score_error AS MATERIALIZED (
    SELECT max(abs(list_dot_product(t.b, w.b) - list_dot_product(t.x, w.x))) / (SELECT nullif(max(s), 0) FROM singular) AS value
    FROM (
        SELECT
            b.x AS b,
            r.x AS x
        FROM triangles_balanced AS b
        JOIN triangles AS r ON r.side = b.side AND r.n = b.n
        WHERE b.side = 'items'
    ) AS t
    CROSS JOIN (
        SELECT
            b.x AS b,
            r.x AS x
        FROM triangles_balanced AS b
        JOIN triangles AS r ON r.side = b.side AND r.n = b.n
        WHERE b.side = 'users'
    ) AS w
),
-- The pivots of the Cholesky factors are the squares of the largest entries of the rows of R.
pivots AS MATERIALIZED (
    SELECT
        side,
        sum(CASE WHEN square > 0 THEN 1 ELSE 0 END) AS rank,
        coalesce(min(nullif(square, 0)), 1) AS smallest
    FROM (
        SELECT
            side,
            n,
            max(value * value) AS square
        FROM (
            SELECT
                m.side AS side,
                m.i AS i,
                unnest(range({{ dimension }})) + 1 AS n,
                unnest(m.x) AS value
            FROM (SELECT side, i, r AS x FROM unit_factors) AS m
        ) AS e
        GROUP BY
            side,
            n
    ) AS p
    GROUP BY side
),
-- What the rounding errors of the sums may do to the axes: these, times the trace of the inverse of the Gram matrix of
-- columns of length one, since G^(-1) = M S^(-1) M'.
accuracies AS MATERIALIZED (
    SELECT
        b.side AS side,
        2.220446049250313E-16 * (16 + sqrt(max(m.n_rows))) * sum(b.value * b.value * m.norm * m.norm / b.s) AS value
    FROM (
        SELECT
            m.side AS side,
            m.k AS k,
            m.s AS s,
            unnest(range({{ dimension }})) + 1 AS i,
            unnest(m.x) AS value
        FROM balanced AS m
    ) AS b
    JOIN norms AS m ON m.side = b.side AND m.i = b.i
    WHERE b.s > 0
    GROUP BY b.side
),
side_figures AS MATERIALIZED (
    SELECT
        m.side AS side,
        max(m.n_rows) AS n_rows,
        count(*) AS columns,
        sum(CASE WHEN m.norm > 0 THEN 1 ELSE 0 END) AS live,
        max(m.norm) AS longest,
        max(p.rank) AS rank,
        -- Of the table with its columns scaled to length one: at least this, from the smallest pivot.
        1 / sqrt(max(p.smallest)) AS condition,
        max(a.value) AS accuracy,
        max(g.value) AS gram_error
    FROM norms AS m
    JOIN pivots AS p ON p.side = m.side
    LEFT JOIN accuracies AS a ON a.side = m.side
    LEFT JOIN gram_errors AS g ON g.side = m.side
    GROUP BY m.side
),
rank_of_scores AS MATERIALIZED (
    SELECT sum(CASE WHEN s > 0 THEN 1 ELSE 0 END) AS rank
    FROM singular
),
figures AS MATERIALIZED (
    SELECT
        users.n_rows AS users_rows,
        users.columns AS users_columns,
        users.live AS users_live,
        users.longest AS users_longest,
        users.rank AS users_rank,
        users.condition AS users_condition,
        users.accuracy AS users_accuracy,
        users.gram_error AS users_gram_error,
        items.n_rows AS items_rows,
        items.columns AS items_columns,
        items.live AS items_live,
        items.longest AS items_longest,
        items.rank AS items_rank,
        items.condition AS items_condition,
        items.accuracy AS items_accuracy,
        items.gram_error AS items_gram_error,
        rank_of_scores.rank AS rank,
        score_error.value AS score_error
    FROM (SELECT * FROM side_figures WHERE side = 'users') AS users
    CROSS JOIN (SELECT * FROM side_figures WHERE side = 'items') AS items
    CROSS JOIN rank_of_scores
    CROSS JOIN score_error
),
-- What forbids a result; NULL if nothing does.
checked AS MATERIALIZED (
    SELECT
        f.*,
        CASE
            WHEN users_columns <> {{ dimension }}
            THEN 'The SQL solver refuses: users: the sums are of ' || coalesce(CAST(CAST(users_columns AS BIGINT) AS VARCHAR), 'unknown') || ' components, not of {{ dimension }}; sqlstab run would, too.'
            WHEN NOT coalesce(users_longest >= 1E-145, false)
            THEN 'The SQL solver refuses: users: all vectors are zero, or so small that their squares are; sqlstab run would, too. Multiply small vectors by a constant.'
            WHEN NOT users_longest <= 1E150
            THEN 'The SQL solver refuses: users: the sums of squares overflow, or nearly so. Divide the vectors by a constant.'
            WHEN items_columns <> {{ dimension }}
            THEN 'The SQL solver refuses: items: the sums are of ' || coalesce(CAST(CAST(items_columns AS BIGINT) AS VARCHAR), 'unknown') || ' components, not of {{ dimension }}; sqlstab run would, too.'
            WHEN NOT coalesce(items_longest >= 1E-145, false)
            THEN 'The SQL solver refuses: items: all vectors are zero, or so small that their squares are; sqlstab run would, too. Multiply small vectors by a constant.'
            WHEN NOT items_longest <= 1E150
            THEN 'The SQL solver refuses: items: the sums of squares overflow, or nearly so. Divide the vectors by a constant.'
            WHEN rank = 0
            THEN 'The SQL solver refuses: all scores are zero, users and items have no direction in common; sqlstab run would, too.'
            WHEN users_rank < users_live
            THEN 'The SQL solver refuses: users: of ' || coalesce(CAST(CAST(users_live AS BIGINT) AS VARCHAR), 'unknown') || ' columns that are not zero only ' || coalesce(CAST(CAST(users_rank AS BIGINT) AS VARCHAR), 'unknown')
                || ' are independent, as far as these sums show. Use sqlstab run, which takes a second pass where it must.'
            WHEN NOT coalesce(users_accuracy <= 1E-2, false)
            THEN 'The SQL solver refuses: users: the columns are nearly dependent (condition at least ' || coalesce(CAST(users_condition AS VARCHAR), 'unknown')
                || '), too much for sums of products. Use sqlstab run, which takes a second pass.'
            WHEN items_rank < items_live
            THEN 'The SQL solver refuses: items: of ' || coalesce(CAST(CAST(items_live AS BIGINT) AS VARCHAR), 'unknown') || ' columns that are not zero only ' || coalesce(CAST(CAST(items_rank AS BIGINT) AS VARCHAR), 'unknown')
                || ' are independent, as far as these sums show. Use sqlstab run, which takes a second pass where it must.'
            WHEN NOT coalesce(items_accuracy <= 1E-2, false)
            THEN 'The SQL solver refuses: items: the columns are nearly dependent (condition at least ' || coalesce(CAST(items_condition AS VARCHAR), 'unknown')
                || '), too much for sums of products. Use sqlstab run, which takes a second pass.'
            WHEN NOT coalesce(greatest(score_error, 1E-7 * users_gram_error, 1E-7 * items_gram_error) <= 1E-9, false)
            THEN 'The SQL solver refuses: the result fails its own proof: scores change by ' || coalesce(CAST(score_error AS VARCHAR), 'unknown')
                || ', the balanced Gram matrices are off by ' || coalesce(CAST(greatest(users_gram_error, items_gram_error) AS VARCHAR), 'unknown')
                || '. Use sqlstab run.'
        END AS problem
    FROM figures AS f
)
SELECT
    r.name AS name,
    r.i AS i,
    r.j AS j,
    CASE WHEN c.problem IS NULL THEN r.value ELSE error(c.problem) END AS value
FROM checked AS c
CROSS JOIN (
    SELECT side AS name, i, j, value FROM maps
    UNION ALL
    SELECT 'singular_values', k, 1, s FROM singular
    UNION ALL
    SELECT 'users_rows', 1, 1, CAST(users_rows AS DOUBLE) FROM figures
    UNION ALL
    SELECT 'users_columns', 1, 1, CAST(users_columns AS DOUBLE) FROM figures
    UNION ALL
    SELECT 'users_live', 1, 1, CAST(users_live AS DOUBLE) FROM figures
    UNION ALL
    SELECT 'users_rank', 1, 1, CAST(users_rank AS DOUBLE) FROM figures
    UNION ALL
    SELECT 'users_condition', 1, 1, CAST(users_condition AS DOUBLE) FROM figures
    UNION ALL
    SELECT 'users_accuracy', 1, 1, CAST(users_accuracy AS DOUBLE) FROM figures
    UNION ALL
    SELECT 'users_gram_error', 1, 1, CAST(users_gram_error AS DOUBLE) FROM figures
    UNION ALL
    SELECT 'items_rows', 1, 1, CAST(items_rows AS DOUBLE) FROM figures
    UNION ALL
    SELECT 'items_columns', 1, 1, CAST(items_columns AS DOUBLE) FROM figures
    UNION ALL
    SELECT 'items_live', 1, 1, CAST(items_live AS DOUBLE) FROM figures
    UNION ALL
    SELECT 'items_rank', 1, 1, CAST(items_rank AS DOUBLE) FROM figures
    UNION ALL
    SELECT 'items_condition', 1, 1, CAST(items_condition AS DOUBLE) FROM figures
    UNION ALL
    SELECT 'items_accuracy', 1, 1, CAST(items_accuracy AS DOUBLE) FROM figures
    UNION ALL
    SELECT 'items_gram_error', 1, 1, CAST(items_gram_error AS DOUBLE) FROM figures
    UNION ALL
    SELECT 'rank', 1, 1, CAST(rank AS DOUBLE) FROM figures
    UNION ALL
    SELECT 'score_error', 1, 1, CAST(score_error AS DOUBLE) FROM figures
) AS r
{%- endmacro %}
{% macro duckdb__polar(dimension) -%}
-- The orthogonal matrix Omega = A B' that brings this run closest to the reference, from C = A D B': rows (k, j, value).
WITH
-- The rows k of C.
crossed AS (
    SELECT
        i AS k,
        list(value ORDER BY j) AS x
    FROM sqlstab_cross AS c
    GROUP BY i
),
omega_rows AS (
    WITH RECURSIVE
    steps USING KEY (k) AS (
        SELECT
            CAST(0 AS INTEGER) AS n,
            k,
            list_transform(x, lambda v: v / size) AS x,
            CAST(1.5E-8 AS DOUBLE) AS least
        FROM (
            SELECT
                m.k AS k,
                m.x AS x,
                t.size AS size
            FROM crossed AS m
            CROSS JOIN (
                SELECT coalesce(nullif(sqrt(list_dot_product(lengths, lengths)), 0), 1) AS size
                FROM (
                    -- In the order of k: a sum in no order would not be the same each time.
                    SELECT list(sqrt(list_dot_product(x, x)) ORDER BY k) AS lengths
                    FROM crossed AS c
                ) AS l
            ) AS t
        ) AS m
        UNION ALL (
            WITH standing AS (
                SELECT
                    *,
                    sqrt(3 / (1 + least + least * least)) AS factor
                FROM steps
                WHERE n < 24
            ),
            -- Rows of X X', and columns of X.
            squares AS (
                SELECT
                    a.k AS k,
                    list(list_dot_product(a.x, b.x) ORDER BY b.k) AS x
                FROM standing AS a
                CROSS JOIN standing AS b
                GROUP BY a.k
            ),
            across AS (
                SELECT
                    j,
                    list(value ORDER BY k) AS x
                FROM (
                    SELECT
                        m.k AS k,
                        unnest(range({{ dimension }})) + 1 AS j,
                        unnest(m.x) AS value
                    FROM standing AS m
                ) AS e
                GROUP BY
                    j
            ),
            products AS (
                SELECT
                    s.k AS k,
                    list(list_dot_product(s.x, c.x) ORDER BY c.j) AS y
                FROM squares AS s
                CROSS JOIN across AS c
                GROUP BY s.k
            )
            SELECT
                CAST(n + 1 AS INTEGER) AS n,
                a.k AS k,
                list_transform(list_zip(x, y), lambda p: 1.5 * factor * p[1] + -0.5 * factor * factor * factor * p[2]) AS x,
                factor * least * (3 - factor * factor * least * least) / 2 AS least
            FROM standing AS a
            JOIN products AS b ON b.k = a.k
        )
    )
    SELECT
        k,
        x
    FROM steps
    WHERE n = 24
)
SELECT
    m.k AS k,
    unnest(range({{ dimension }})) + 1 AS j,
    unnest(m.x) AS value
FROM omega_rows AS m
{%- endmacro %}
{% macro duckdb__cholesky(dimension) -%}
-- Cholesky factors, G = R'R, and their inverses, R P = I: column i of R (r) and row i of P (p).
WITH RECURSIVE
steps USING KEY (side, i) AS (
    SELECT
        CAST(0 AS INTEGER) AS n,
        side,
        i,
        CAST([] AS DOUBLE[]) AS r,
        CAST([] AS DOUBLE[]) AS p,
        x[i] AS d
    FROM sqlstab_matrices AS m
    UNION ALL (
        WITH standing AS (
            SELECT *
            FROM steps
            WHERE n < {{ dimension }}
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
            CAST(n + 1 AS INTEGER) AS n,
            side,
            i,
            list_append(r, entry) AS r,
            list_append(p, CASE WHEN pivot_d > {{ 4 * dimension * 2.220446049250313e-16 }} THEN (CASE WHEN i = pivot_i THEN 1 ELSE 0 END - coalesce(list_dot_product(p, pivot_r), 0)) / sqrt(pivot_d) ELSE 0 END) AS p,
            CASE WHEN i = pivot_i THEN 0 ELSE d - entry * entry END AS d
        FROM (
            SELECT
                s.*,
                c.i AS pivot_i,
                c.d AS pivot_d,
                c.r AS pivot_r,
                CASE
                    WHEN s.d > {{ 4 * dimension * 2.220446049250313e-16 }}
                    THEN (g.x[s.i] - coalesce(list_dot_product(s.r, c.r), 0)) / sqrt(c.d)
                    ELSE 0
                END AS entry
            FROM standing AS s
            JOIN chosen AS c ON c.side = s.side AND c.place = 1
            JOIN sqlstab_matrices AS g ON g.side = c.side AND g.i = c.i
        ) AS entries
    )
)
SELECT
    side,
    i,
    r,
    p
FROM steps
WHERE n = {{ dimension }}
{%- endmacro %}
