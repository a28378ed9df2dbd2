-- The two maps, from sums. Rows (name, i, j, value): name is users or items for the maps, singular_values (j = 1),
-- or that of a figure (i = j = 1).
WITH RECURSIVE
-- The Gram matrices G_T = T'T of the items and G_W = W'W of the users: rows, and the norms of the columns of T and W.
gram AS (
    SELECT
        side,
        i,
        list(value ORDER BY j) AS x
    FROM (
        SELECT
            side,
            i,
            j,
            value
        FROM grams AS upper_triangle
        UNION ALL
        SELECT
            side,
            j AS i,
            i AS j,
            value
        FROM grams AS lower_triangle
        WHERE i < j
    ) AS e
    GROUP BY
        side,
        i
),
norms AS (
    SELECT
        side,
        i,
        sqrt(value) AS norm,
        n_rows
    FROM grams AS g
    WHERE i = j
),
-- 1. Cholesky with pivots: G = R'R. All columns of T and W are scaled to length one first. Row k holds column k of R
-- so far (r) and what is left of the diagonal (d); the largest of what is left is the next pivot.
unit_gram AS (
    SELECT
        g.side,
        g.i,
        list(coalesce(g.value / nullif(a.norm, 0) / nullif(b.norm, 0), 0) ORDER BY g.j) AS x
    FROM (
        SELECT
            side,
            i,
            j,
            value
        FROM grams AS upper_triangle
        UNION ALL
        SELECT
            side,
            j AS i,
            i AS j,
            value
        FROM grams AS lower_triangle
        WHERE i < j
    ) AS g
    JOIN norms AS a ON a.side = g.side AND a.i = g.i
    JOIN norms AS b ON b.side = g.side AND b.i = g.j
    GROUP BY
        g.side,
        g.i
),
cholesky_steps(n, side, k, g, r, d, rank, smallest) USING KEY (side, k) AS (
    SELECT
        0,
        side,
        i,
        x,
        CAST([] AS DOUBLE[]),
        x[i],
        0,
        CAST(1 AS DOUBLE)
    FROM unit_gram
    UNION ALL
    SELECT
        n + 1,
        side,
        k,
        g,
        list_append(r, v),
        CASE k WHEN p THEN 0 ELSE d - v * v END,
        CASE WHEN p_d > 2.6645352591003757e-15 THEN rank + 1 ELSE rank END,
        CASE WHEN p_d > 2.6645352591003757e-15 THEN p_d ELSE smallest END
    FROM (
        SELECT
            *,
            CASE
                WHEN d > 2.6645352591003757e-15
                THEN (g[p] - coalesce(list_dot_product(r, p_r), 0)) / sqrt(p_d)
                ELSE 0
            END AS v
        FROM (
            SELECT
                *,
                first_value(k) OVER by_size AS p,
                first_value(d) OVER by_size AS p_d,
                first_value(r) OVER by_size AS p_r
            FROM cholesky_steps
            WHERE n < 3
            WINDOW by_size AS (PARTITION BY side ORDER BY d DESC, k)
        ) AS with_pivots
    ) AS steps
),
-- Columns i of R, and its rows n.
factors AS (
    SELECT
        s.side,
        s.k AS i,
        list_transform(list_zip(s.r, s.r), lambda p: m.norm * p[1] + 0 * p[2]) AS x,
        s.rank,
        s.smallest,
        m.norm,
        m.n_rows
    FROM cholesky_steps AS s
    JOIN norms AS m ON m.side = s.side AND m.i = s.k
    WHERE s.n = 3
),
triangles AS (
    SELECT
        side,
        n,
        list(value ORDER BY i) AS x
    FROM (
        SELECT
            m.side,
            m.i,
            unnest(range(3)) + 1 AS n,
            unnest(m.x) AS value
        FROM factors AS m
    ) AS e
    GROUP BY
        side,
        n
),
-- 2. The singular value decomposition R_T R_W' = U S V'; S are the singular values of the scores T W'.
scores AS (
    SELECT
        w.n AS k,
        list(list_dot_product(t.x, w.x) ORDER BY t.n) AS x
    FROM triangles AS w
    JOIN triangles AS t ON t.side = 'items'
    WHERE w.side = 'users'
    GROUP BY w.n
),
-- One-sided Jacobi method: each column of A, with the same column of the identity below it, has a place, and turns
-- with the column at the opposite place until their parts of A are orthogonal. Then all but the first move on by one
-- place, so that in 3 steps, a sweep, each has met each other.
scores_svd_start AS (
    SELECT
        a.k,
        list_concat(a.x, list(CASE WHEN b.k = a.k THEN CAST(1 AS DOUBLE) ELSE 0 END ORDER BY b.k)) AS x
    FROM scores AS a
    CROSS JOIN scores AS b
    GROUP BY
        a.k,
        a.x
),
scores_svd_steps(n, k, place, x, largest_cosine) USING KEY (k) AS (
    SELECT
        0,
        k,
        k,
        x,
        CAST(1 AS DOUBLE)
    FROM scores_svd_start
    UNION ALL (
        WITH standing AS (
            SELECT
                *,
                list_dot_product(x[1:3], x[1:3]) AS xx
            FROM scores_svd_steps
            -- A sweep that finds cosines up to 1E-8 leaves none above 1E-15.
            WHERE n < 120 AND (mod(n, 3) <> 0 OR largest_cosine > 1E-8)
        )
        SELECT
            n + 1,
            k,
            CASE place WHEN 1 THEN 1 WHEN 4 THEN 2 ELSE place + 1 END,
            CASE WHEN t = 0 THEN x ELSE list_transform(list_zip(x, y), lambda p: c * p[1] + -t * c * p[2]) END,
            greatest(CASE WHEN mod(n, 3) = 0 THEN 0 ELSE largest_cosine END, max(cosine) OVER ())
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
                        WHEN z > 0 OR (z = 0 AND place <= 2) THEN 1 / (z + sqrt(1 + z * z))
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
                                list_dot_product(a.x[1:3], b.x[1:3]) AS xy
                            FROM standing AS a
                            LEFT JOIN standing AS b ON b.place = 5 - a.place
                        ) AS pairs
                    ) AS cosines
                ) AS angles
            ) AS tangents
        ) AS rotations
    )
),
scores_svd AS (
    SELECT
        row_number() OVER (ORDER BY s DESC, k) AS k,
        s,
        y,
        v
    FROM (
        SELECT
            k,
            sqrt(list_dot_product(x[1:3], x[1:3])) AS s,
            x[1:3] AS y,
            x[4:6] AS v
        FROM scores_svd_steps
        WHERE n = (SELECT max(n) FROM scores_svd_steps)
    ) AS c
),
singular AS (
    SELECT
        k,
        CASE WHEN s > 2.6645352591003757e-15 * max(s) OVER () THEN s ELSE 0 END AS s,
        y,
        v
    FROM scores_svd
),
-- 3. The columns k of M_T = R_W' V S^(-1/2) and M_W = R_T' U S^(-1/2): T M_T and W M_W have the same Gram matrix, S.
balanced AS (
    SELECT
        CASE f.side WHEN 'users' THEN 'items' ELSE 'users' END AS side,
        c.k,
        c.s,
        list(CASE WHEN c.s = 0 OR m.norm = 0 THEN 0 WHEN f.side = 'users' THEN list_dot_product(f.x, c.v) / sqrt(c.s) ELSE list_dot_product(f.x, c.y) / (c.s * sqrt(c.s)) END ORDER BY f.i) AS x
    FROM singular AS c
    CROSS JOIN factors AS f
    JOIN norms AS m ON m.side <> f.side AND m.i = f.i
    GROUP BY
        f.side,
        c.k,
        c.s
),
balanced_rows AS (
    SELECT
        side,
        i,
        list(value ORDER BY k) AS x
    FROM (
        SELECT
            m.side,
            m.k,
            unnest(range(3)) + 1 AS i,
            unnest(m.x) AS value
        FROM balanced AS m
    ) AS e
    GROUP BY
        side,
        i
),
-- 4. The cross Gram matrix of the balanced vectors with the reference's, C = M_T' (T'T_ref), summed over both sides, has the singular value
-- decomposition C = A D B'. Omega = A B' is the orthogonal matrix that brings this run closest to the reference.
references_y AS (
    SELECT
        side,
        j,
        list(value ORDER BY i) AS x
    FROM crosses AS c
    GROUP BY
        side,
        j
),
-- Its rows k, which are the columns of C'.
crossed AS (
    SELECT
        k,
        list(value ORDER BY j) AS x
    FROM (
        SELECT
            b.k,
            r.j,
            sum(CASE r.side WHEN 'items' THEN 1.0E0 WHEN 'users' THEN 0.1E0 END * list_dot_product(b.x, r.x)) AS value
        FROM balanced AS b
        JOIN references_y AS r ON r.side = b.side
        GROUP BY
            b.k,
            r.j
    ) AS entries
    GROUP BY k
),
-- One-sided Jacobi method: each column of A, with the same column of the identity below it, has a place, and turns
-- with the column at the opposite place until their parts of A are orthogonal. Then all but the first move on by one
-- place, so that in 3 steps, a sweep, each has met each other.
alignment_start AS (
    SELECT
        a.k,
        list_concat(a.x, list(CASE WHEN b.k = a.k THEN CAST(1 AS DOUBLE) ELSE 0 END ORDER BY b.k)) AS x
    FROM crossed AS a
    CROSS JOIN crossed AS b
    GROUP BY
        a.k,
        a.x
),
alignment_steps(n, k, place, x, largest_cosine) USING KEY (k) AS (
    SELECT
        0,
        k,
        k,
        x,
        CAST(1 AS DOUBLE)
    FROM alignment_start
    UNION ALL (
        WITH standing AS (
            SELECT
                *,
                list_dot_product(x[1:3], x[1:3]) AS xx
            FROM alignment_steps
            -- A sweep that finds cosines up to 1E-8 leaves none above 1E-15.
            WHERE n < 120 AND (mod(n, 3) <> 0 OR largest_cosine > 1E-8)
        )
        SELECT
            n + 1,
            k,
            CASE place WHEN 1 THEN 1 WHEN 4 THEN 2 ELSE place + 1 END,
            CASE WHEN t = 0 THEN x ELSE list_transform(list_zip(x, y), lambda p: c * p[1] + -t * c * p[2]) END,
            greatest(CASE WHEN mod(n, 3) = 0 THEN 0 ELSE largest_cosine END, max(cosine) OVER ())
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
                        WHEN z > 0 OR (z = 0 AND place <= 2) THEN 1 / (z + sqrt(1 + z * z))
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
                                list_dot_product(a.x[1:3], b.x[1:3]) AS xy
                            FROM standing AS a
                            LEFT JOIN standing AS b ON b.place = 5 - a.place
                        ) AS pairs
                    ) AS cosines
                ) AS angles
            ) AS tangents
        ) AS rotations
    )
),
alignment AS (
    SELECT
        row_number() OVER (ORDER BY s DESC, k) AS k,
        s,
        y,
        v
    FROM (
        SELECT
            k,
            sqrt(list_dot_product(x[1:3], x[1:3])) AS s,
            x[1:3] AS y,
            x[4:6] AS v
        FROM alignment_steps
        WHERE n = (SELECT max(n) FROM alignment_steps)
    ) AS c
),
alignment_left AS (
    SELECT
        i,
        list(value ORDER BY k) AS x
    FROM (
        SELECT
            m.k,
            unnest(range(3)) + 1 AS i,
            unnest(m.x) AS value
        FROM (SELECT k, v AS x FROM alignment) AS m
    ) AS e
    GROUP BY
        i
),
alignment_right AS (
    SELECT
        j,
        list(value ORDER BY k) AS x
    FROM (
        SELECT
            m.k,
            unnest(range(3)) + 1 AS j,
            unnest(m.x) AS value
        FROM (SELECT k, list_transform(list_zip(y, y), lambda p: coalesce(1 / nullif(s, 0), 0) * p[1] + 0 * p[2]) AS x FROM alignment) AS m
    ) AS e
    GROUP BY
        j
),
-- Columns of Omega.
omega AS (
    SELECT
        b.j,
        list(list_dot_product(a.x, b.x) ORDER BY a.i) AS x
    FROM alignment_left AS a
    CROSS JOIN alignment_right AS b
    GROUP BY b.j
),
-- 5. The maps: M_T Omega for the items, M_W Omega for the users.
maps AS (
    SELECT
        m.side,
        m.i,
        o.j,
        list_dot_product(m.x, o.x) AS value
    FROM balanced_rows AS m
    CROSS JOIN omega AS o
),
-- Proof. The balanced Gram matrices M'GM must be S: the largest error of an entry (k, l), relative to sqrt(s_k s_l).
gram_balanced AS (
    SELECT
        b.side,
        b.k,
        list(list_dot_product(g.x, b.x) ORDER BY g.i) AS x
    FROM balanced AS b
    JOIN gram AS g ON g.side = b.side
    GROUP BY
        b.side,
        b.k
),
gram_errors AS (
    SELECT
        b.side,
        max(abs(list_dot_product(b.x, p.x) - CASE WHEN b.k = p.k THEN b.s ELSE 0 END) / sqrt(b.s) / sqrt(c.s)) AS value
    FROM balanced AS b
    JOIN gram_balanced AS p ON p.side = b.side
    JOIN singular AS c ON c.k = p.k
    WHERE b.s > 0 AND c.s > 0
    GROUP BY b.side
),
-- Scores must not change: the largest entry of R_T (M_T M_W' - I) R_W', relative to the largest singular value.
triangles_balanced AS (
    SELECT
        t.side,
        t.n,
        list(list_dot_product(t.x, b.x) ORDER BY b.k) AS x
    FROM triangles AS t
    JOIN balanced AS b ON b.side = t.side
    GROUP BY
        t.side,
        t.n
),
score_error AS (
    SELECT max(abs(list_dot_product(a.x, b.x) - list_dot_product(t.x, w.x))) / (SELECT max(s) FROM singular) AS value
    FROM triangles_balanced AS a
    JOIN triangles AS t ON t.side = 'items' AND t.n = a.n
    JOIN triangles_balanced AS b ON b.side = 'users'
    JOIN triangles AS w ON w.side = 'users' AND w.n = b.n
    WHERE a.side = 'items'
),
-- Rows of Omega that are in use must be orthonormal.
omega_rows AS (
    SELECT
        k,
        list(value ORDER BY j) AS x
    FROM (
        SELECT
            m.j,
            unnest(range(3)) + 1 AS k,
            unnest(m.x) AS value
        FROM omega AS m
    ) AS e
    GROUP BY
        k
),
omega_error AS (
    SELECT max(abs(list_dot_product(a.x, b.x) - CASE WHEN a.k = b.k THEN 1 ELSE 0 END)) AS value
    FROM omega_rows AS a
    CROSS JOIN omega_rows AS b
    WHERE
        a.k <= (SELECT count(*) FROM singular WHERE s > 0)
        AND b.k <= (SELECT count(*) FROM singular WHERE s > 0)
),
-- How well the two runs fit: X are the balanced vectors of the shared ids, Y the reference's; C = X'Y.
shared_gram AS (
    SELECT
        side,
        i,
        list(value ORDER BY j) AS x
    FROM (
        SELECT
            side,
            i,
            j,
            value
        FROM shared_run AS upper_triangle
        UNION ALL
        SELECT
            side,
            j AS i,
            i AS j,
            value
        FROM shared_run AS lower_triangle
        WHERE i < j
    ) AS e
    GROUP BY
        side,
        i
),
-- Else Postgres would compute it anew for each row that it is joined to.
shared_balanced AS MATERIALIZED (
    SELECT
        b.side,
        b.k,
        list(list_dot_product(g.x, b.x) ORDER BY g.i) AS x
    FROM balanced AS b
    JOIN shared_gram AS g ON g.side = b.side
    GROUP BY
        b.side,
        b.k
),
run_gram AS (
    SELECT
        b.k,
        p.k AS l,
        sum(CASE b.side WHEN 'items' THEN 1.0E0 WHEN 'users' THEN 0.1E0 END * list_dot_product(b.x, p.x)) AS value
    FROM balanced AS b
    JOIN shared_balanced AS p ON p.side = b.side
    GROUP BY
        b.k,
        p.k
),
reference_gram AS (
    SELECT
        i,
        j,
        sum(CASE e.side WHEN 'items' THEN 1.0E0 WHEN 'users' THEN 0.1E0 END * value) AS value
    FROM (
        SELECT
            side,
            i,
            j,
            value
        FROM shared_reference AS upper_triangle
        UNION ALL
        SELECT
            side,
            j AS i,
            i AS j,
            value
        FROM shared_reference AS lower_triangle
        WHERE i < j
    ) AS e
    GROUP BY
        i,
        j
),
sizes AS (
    SELECT
        (SELECT sum(value) FROM run_gram WHERE k = l) AS run_trace,
        (SELECT sum(value) FROM reference_gram WHERE i = j) AS reference_trace,
        (SELECT sum(value * value) FROM run_gram) AS run_squares,
        (SELECT sum(value * value) FROM reference_gram) AS reference_squares,
        (SELECT sum(s) FROM alignment) AS cross_nuclear,
        (SELECT sum(s * s) FROM alignment) AS cross_squares
),
side_figures AS (
    SELECT
        side,
        max(n_rows) AS n_rows,
        count(*) AS columns,
        sum(CASE WHEN norm > 0 THEN 1 ELSE 0 END) AS live,
        max(rank) AS rank,
        -- Of the table with its columns scaled to length one: at least this, from the smallest pivot.
        1 / sqrt(max(smallest)) AS condition
    FROM factors
    GROUP BY side
),
-- What the rounding errors of the sums may do to the axes: these, times the trace of the inverse of the Gram matrix of
-- columns of length one, since G^(-1) = M S^(-1) M'.
accuracies AS (
    SELECT
        b.side,
        2.220446049250313E-16 * (16 + sqrt(max(m.n_rows))) * sum(b.value * b.value * m.norm * m.norm / b.s) AS value
    FROM (
        SELECT
            m.side,
            m.k,
            m.s,
            unnest(range(3)) + 1 AS i,
            unnest(m.x) AS value
        FROM balanced AS m
    ) AS b
    JOIN norms AS m ON m.side = b.side AND m.i = b.i
    WHERE b.s > 0
    GROUP BY b.side
),
figures AS (
    SELECT
        users.n_rows AS users_rows,
        users.columns AS users_columns,
        users.live AS users_live,
        users.rank AS users_rank,
        users.condition AS users_condition,
        (SELECT value FROM accuracies WHERE side = 'users') AS users_accuracy,
        (SELECT value FROM gram_errors WHERE side = 'users') AS users_gram_error,
        items.n_rows AS items_rows,
        items.columns AS items_columns,
        items.live AS items_live,
        items.rank AS items_rank,
        items.condition AS items_condition,
        (SELECT value FROM accuracies WHERE side = 'items') AS items_accuracy,
        (SELECT value FROM gram_errors WHERE side = 'items') AS items_gram_error,
        (SELECT count(*) FROM singular WHERE s > 0) AS rank,
        (SELECT value FROM score_error) AS score_error,
        (SELECT sum(n_rows) FROM (SELECT side, max(n_rows) AS n_rows FROM crosses AS c GROUP BY side) AS shared) AS anchors,
        -- Directions of this run that the shared ids say something about.
        (SELECT count(*) FROM (SELECT s, max(s) OVER () AS largest FROM alignment) AS d WHERE s > 1.5E-8 * largest) AS aligned,
        (SELECT value FROM omega_error) AS omega_error,
        (SELECT sqrt(greatest(run_trace + reference_trace - 2 * cross_nuclear, 0) / reference_trace) FROM sizes) AS relative_residual,
        (SELECT cross_squares / (sqrt(run_squares) * sqrt(reference_squares)) FROM sizes) AS cka,
        (
            SELECT sqrt(sqrt(6 * greatest(run_squares + reference_squares - 2 * cross_squares, 0)) / reference_trace)
            FROM sizes
        ) AS bound
    FROM (SELECT * FROM side_figures WHERE side = 'users') AS users
    CROSS JOIN (SELECT * FROM side_figures WHERE side = 'items') AS items
),
-- What forbids a result; NULL if nothing does.
checked AS (
    SELECT
        f.*,
        CASE
            WHEN users_columns <> 3
            THEN 'users: the sums are of ' || CAST(CAST(users_columns AS BIGINT) AS VARCHAR) || ' components, not of 3.'
            WHEN users_rank < users_live
            THEN 'users: of ' || CAST(CAST(users_live AS BIGINT) AS VARCHAR) || ' columns that are not zero only ' || CAST(CAST(users_rank AS BIGINT) AS VARCHAR)
                || ' are independent, as far as these sums show. Use sqlstab run, which takes a second pass where it must.'
            WHEN NOT coalesce(users_accuracy <= 1E-2, false)
            THEN 'users: the columns are nearly dependent (condition at least ' || CAST(users_condition AS VARCHAR)
                || '), too much for sums of products. Use sqlstab run, which takes a second pass.'
            WHEN items_columns <> 3
            THEN 'items: the sums are of ' || CAST(CAST(items_columns AS BIGINT) AS VARCHAR) || ' components, not of 3.'
            WHEN items_rank < items_live
            THEN 'items: of ' || CAST(CAST(items_live AS BIGINT) AS VARCHAR) || ' columns that are not zero only ' || CAST(CAST(items_rank AS BIGINT) AS VARCHAR)
                || ' are independent, as far as these sums show. Use sqlstab run, which takes a second pass where it must.'
            WHEN NOT coalesce(items_accuracy <= 1E-2, false)
            THEN 'items: the columns are nearly dependent (condition at least ' || CAST(items_condition AS VARCHAR)
                || '), too much for sums of products. Use sqlstab run, which takes a second pass.'
            WHEN rank = 0
            THEN 'All scores are zero: users and items have no direction in common.'
            WHEN NOT coalesce(aligned >= rank, false)
            THEN 'The shared ids say nothing about ' || CAST(CAST(rank - aligned AS BIGINT) AS VARCHAR) || ' of ' || CAST(CAST(rank AS BIGINT) AS VARCHAR)
                || ' directions. Use sqlstab run or sqlstab solve, which place them in what is left of the space.'
            WHEN NOT coalesce(greatest(score_error, omega_error, 1E-7 * users_gram_error, 1E-7 * items_gram_error) <= 1E-9, false)
            THEN 'The result fails its own proof: scores change by ' || CAST(score_error AS VARCHAR)
                || ', the balanced Gram matrices are off by ' || CAST(greatest(users_gram_error, items_gram_error) AS VARCHAR)
                || ', Omega is not orthogonal by ' || CAST(omega_error AS VARCHAR)
                || '. Use sqlstab run or sqlstab solve.'
        END AS problem
    FROM figures AS f
)
SELECT
    r.name,
    r.i,
    r.j,
    CASE WHEN c.problem IS NULL THEN r.value ELSE error(c.problem) END AS value
FROM checked AS c
LEFT JOIN (
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
    UNION ALL
    SELECT 'anchors', 1, 1, CAST(anchors AS DOUBLE) FROM figures
    UNION ALL
    SELECT 'aligned', 1, 1, CAST(aligned AS DOUBLE) FROM figures
    UNION ALL
    SELECT 'omega_error', 1, 1, CAST(omega_error AS DOUBLE) FROM figures
    UNION ALL
    SELECT 'relative_residual', 1, 1, CAST(relative_residual AS DOUBLE) FROM figures
    UNION ALL
    SELECT 'cka', 1, 1, CAST(cka AS DOUBLE) FROM figures
    UNION ALL
    SELECT 'bound', 1, 1, CAST(bound AS DOUBLE) FROM figures
) AS r ON 1 = 1
