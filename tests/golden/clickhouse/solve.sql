CREATE TABLE "sqlstab_solve_unit_factors" ENGINE = MergeTree ORDER BY tuple() AS
WITH
norms AS (
    SELECT
        side,
        i,
        sqrt(value) AS norm,
        n_rows
    FROM grams AS g
    WHERE i = j
),
-- 1. Cholesky with pivots: G = R'R, and P with R P = I. All columns of T and W are scaled to length one first.
unit_gram AS (
    SELECT
        g.side AS side,
        g.i AS i,
        arrayMap(
            p -> p.2,
            arraySort(
                p -> p.1,
                groupArray((g.j, coalesce(g.value / nullif(a.norm, 0) / nullif(b.norm, 0), 0)))
            )
        ) AS x
    FROM (
        SELECT
            above.side AS side,
            above.i AS i,
            above.j AS j,
            above.value AS value
        FROM grams AS above
        UNION ALL
        SELECT
            below.side AS side,
            below.j AS i,
            below.i AS j,
            below.value AS value
        FROM grams AS below
        WHERE below.i < below.j
    ) AS g
    JOIN norms AS a ON a.side = g.side AND a.i = g.i
    JOIN norms AS b ON b.side = g.side AND b.i = g.j
    GROUP BY
        g.side,
        g.i
)
SELECT
    f.side AS side,
    sqlstab_k - 1 + 1 AS i,
    sqlstab_v.3 AS r,
    sqlstab_v.4 AS p
FROM (
    SELECT
        side,
        arrayFold(
            (lines, step) -> arrayMap(
                chosen -> arrayMap(
                    row -> arrayMap(
                        entry -> (
                            row.1,
                            row.2,
                            arrayPushBack(row.3, entry),
                            arrayPushBack(
                                row.4,
                                CASE
                                    WHEN chosen.5 > 2.6645352591003757e-15 THEN (
                                        CASE
                                            WHEN row.1 = chosen.1 THEN 1E0
                                            ELSE 0E0
                                        END - arrayDotProduct(row.4, chosen.3)
                                    ) / sqrt(chosen.5)
                                    ELSE 0E0
                                END
                            ),
                            CASE WHEN row.1 = chosen.1 THEN 0E0 ELSE row.5 - entry * entry END
                        ),
                        [
                            CASE
                                WHEN row.5 > 2.6645352591003757e-15 THEN (
                                    row.2[chosen.1] - arrayDotProduct(row.3, chosen.3)
                                ) / sqrt(chosen.5)
                                ELSE 0E0
                            END
                        ]
                    )[1],
                    lines
                ),
                [
                    arrayMap(
                        diagonal -> lines[indexOf(diagonal, arrayMax(diagonal))],
                        [arrayMap(row -> row.5, lines)]
                    )[1]
                ]
            )[1],
            range(1, 3 + 1),
            start
        ) AS factor
    FROM (
        SELECT
            side,
            arrayMap(
                p -> p.2,
                arraySort(
                    p -> p.1,
                    groupArray((i, (i, x, CAST([] AS Array(Float64)), CAST([] AS Array(Float64)), x[i])))
                )
            ) AS start
        FROM unit_gram AS m
        GROUP BY side
    ) AS g
) AS f
ARRAY JOIN f.factor AS sqlstab_v, arrayEnumerate(f.factor) AS sqlstab_k;

CREATE TABLE "sqlstab_solve_triangles" ENGINE = MergeTree ORDER BY tuple() AS
-- Rows n of R.
WITH
norms AS (
    SELECT
        side,
        i,
        sqrt(value) AS norm,
        n_rows
    FROM grams AS g
    WHERE i = j
),
-- Columns i of R (x) and rows i of P (p).
factors AS (
    SELECT
        f.side AS side,
        f.i AS i,
        arrayMap(v -> v / coalesce(1 / nullif(m.norm, 0), 1), f.r) AS x,
        arrayMap(v -> v / coalesce(nullif(m.norm, 0), 1), f.p) AS p,
        m.norm AS norm
    FROM "sqlstab_solve_unit_factors" AS f
    JOIN norms AS m ON m.side = f.side AND m.i = f.i
)
SELECT
    side,
    n,
    arrayMap(p -> p.2, arraySort(p -> p.1, groupArray((i, value)))) AS x
FROM (
    SELECT
        m.side AS side,
        m.i AS i,
        sqlstab_k - 1 + 1 AS n,
        sqlstab_v AS value
    FROM factors AS m
    ARRAY JOIN m.x AS sqlstab_v, arrayEnumerate(m.x) AS sqlstab_k
) AS e
GROUP BY
    side,
    n;

CREATE TABLE "sqlstab_solve_singular" ENGINE = MergeTree ORDER BY tuple() AS
WITH
-- 2. The singular value decomposition R_T R_W' = U S V', whose columns times V are U S; S are the singular values of
-- the scores T W'.
scores AS (
    SELECT
        w.n AS k,
        arrayMap(p -> p.2, arraySort(p -> p.1, groupArray((t.n, arrayDotProduct(t.x, w.x))))) AS x
    FROM (SELECT n, x FROM "sqlstab_solve_triangles" WHERE side = 'users') AS w
    CROSS JOIN (SELECT n, x FROM "sqlstab_solve_triangles" WHERE side = 'items') AS t
    GROUP BY w.n
),
orthogonal AS (
    SELECT
        sqlstab_k - 1 + 1 AS k,
        sqlstab_v AS y
    FROM (
        SELECT
            arrayFold(
                (last, sweep) -> arrayFold(
                    (now, step) -> arrayMap(
                        turned -> (
                            arrayMap(
                                placed -> arrayConcat(
                                    arraySlice(placed, 3, 3 - 3 + 1),
                                    arraySlice(placed, 1, 2 - 1 + 1)
                                ),
                                [
                                    arrayConcat(
                                        arrayConcat(
                                            arrayMap(pair -> pair.1, turned),
                                            arraySlice(now.1, 2, 2 - 2 + 1)
                                        ),
                                        arrayReverse(arrayMap(pair -> pair.2, turned))
                                    )
                                ]
                            )[1],
                            greatest(now.2, arrayMax(arrayMap(pair -> pair.3, turned)))
                        ),
                        [
                            arrayMap(
                                pair -> arrayMap(
                                    t -> arrayMap(
                                        c -> (
                                            arrayMap((u, w) -> c * (u - t * w), pair.1, pair.2),
                                            arrayMap((u, w) -> c * (w + t * u), pair.1, pair.2),
                                            pair.3
                                        ),
                                        [1 / sqrt(1 + t * t)]
                                    )[1],
                                    [pair.4]
                                )[1],
                                arrayMap(
                                    pair -> (
                                        pair.1,
                                        pair.2,
                                        pair.3,
                                        CASE
                                            WHEN pair.3 <= 1E-15 THEN 0E0
                                            WHEN pair.4 >= 0 THEN 1 / (pair.4 + sqrt(1 + pair.4 * pair.4))
                                            ELSE -1 / (sqrt(1 + pair.4 * pair.4) - pair.4)
                                        END
                                    ),
                                    arrayMap(
                                        pair -> (
                                            pair.1,
                                            pair.2,
                                            CASE
                                                WHEN least(
                                                    pair.3,
                                                    pair.4
                                                ) > 1E-30 * greatest(pair.3, pair.4) THEN abs(pair.5) / sqrt(pair.3) / sqrt(pair.4)
                                                ELSE 0E0
                                            END,
                                            CASE
                                                WHEN pair.5 <> 0 THEN (pair.4 - pair.3) / (2 * pair.5)
                                                ELSE 0E0
                                            END
                                        ),
                                        arrayMap(
                                            (x, y) -> (
                                                x,
                                                y,
                                                arrayDotProduct(x, x),
                                                arrayDotProduct(y, y),
                                                arrayDotProduct(x, y)
                                            ),
                                            arraySlice(now.1, 1, 1 - 1 + 1),
                                            arrayReverse(arraySlice(now.1, 3, 3 - 3 + 1))
                                        )
                                    )
                                )
                            )
                        ]
                    )[1],
                    arraySlice(range(1, 3 + 1), 1, CASE WHEN last.2 > 1E-8 THEN 3 ELSE 0 END - 1 + 1),
                    (last.1, 0E0)
                ),
                range(1, 40 + 1),
                (columns, 1E0)
            ).1 AS columns
        FROM (
            SELECT arrayMap(p -> p.2, arraySort(p -> p.1, groupArray((k, x)))) AS columns
            FROM scores AS m
        ) AS a
    ) AS f
    ARRAY JOIN f.columns AS sqlstab_v, arrayEnumerate(f.columns) AS sqlstab_k
)
SELECT
    CAST(row_number() OVER (ORDER BY length DESC, k) AS Int32) AS k,
    CASE WHEN length > 2.6645352591003757e-15 * max(length) OVER () THEN length ELSE 0 END AS s,
    y
FROM (
    SELECT
        k,
        y,
        sqrt(arrayDotProduct(y, y)) AS length
    FROM orthogonal
) AS c;

CREATE TABLE "sqlstab_solve_balanced" ENGINE = MergeTree ORDER BY tuple() AS
-- 3. The columns k of M_T = P_T U S^(1/2) and M_W = R_T' U S^(-1/2): T M_T and W M_W have the same Gram matrix, S.
WITH
norms AS (
    SELECT
        side,
        i,
        sqrt(value) AS norm,
        n_rows
    FROM grams AS g
    WHERE i = j
),
-- Columns i of R (x) and rows i of P (p).
factors AS (
    SELECT
        f.side AS side,
        f.i AS i,
        arrayMap(v -> v / coalesce(1 / nullif(m.norm, 0), 1), f.r) AS x,
        arrayMap(v -> v / coalesce(nullif(m.norm, 0), 1), f.p) AS p,
        m.norm AS norm
    FROM "sqlstab_solve_unit_factors" AS f
    JOIN norms AS m ON m.side = f.side AND m.i = f.i
)
SELECT
    o.side AS side,
    c.k AS k,
    c.s AS s,
    arrayMap(
        p -> p.2,
        arraySort(
            p -> p.1,
            groupArray(
                (
                    f.i,
                    CASE
                        WHEN c.s = 0 OR f.norm = 0 THEN 0
                        WHEN o.side = 'items' THEN arrayDotProduct(f.p, c.y) / sqrt(c.s)
                        ELSE arrayDotProduct(f.x, c.y) / (c.s * sqrt(c.s))
                    END
                )
            )
        )
    ) AS x
FROM "sqlstab_solve_singular" AS c
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
    c.s;

CREATE TABLE "sqlstab_solve_omega_rows" ENGINE = MergeTree ORDER BY tuple() AS
-- Rows k of Omega.
WITH
-- 4. The cross Gram matrix of the balanced vectors with the reference's, C = M_T' (T'T_ref), summed over both sides, has the singular value
-- decomposition C = A D B'. Omega = A B', its polar factor, brings this run closest to the reference.
references_y AS (
    SELECT
        side,
        j,
        arrayMap(p -> p.2, arraySort(p -> p.1, groupArray((i, value)))) AS x
    FROM crosses AS c
    GROUP BY
        side,
        j
),
-- Its rows k, which are the columns of C'.
crossed AS (
    SELECT
        k,
        arrayMap(p -> p.2, arraySort(p -> p.1, groupArray((j, value)))) AS x
    FROM (
        SELECT
            b.k AS k,
            r.j AS j,
            sum(
                CASE r.side
                    WHEN 'items' THEN 1.0000000000000000e+00
                    WHEN 'users' THEN 1.0000000000000001e-01
                    ELSE 0
                END * arrayDotProduct(b.x, r.x)
            ) AS value
        FROM "sqlstab_solve_balanced" AS b
        JOIN references_y AS r ON r.side = b.side
        GROUP BY
            b.k,
            r.j
    ) AS entries
    GROUP BY k
)
SELECT
    sqlstab_k - 1 + 1 AS k,
    sqlstab_v AS x
FROM (
    SELECT
        arrayFold(
            (now, step) -> arrayMap(
                lines -> arrayMap(
                    least -> arrayMap(
                        factor -> arrayMap(
                            across -> (
                                arrayMap(
                                    (line, square) -> arrayMap(
                                        (u, w) -> factor * (3 * u - factor * factor * w) / 2,
                                        line,
                                        arrayMap(c -> arrayDotProduct(square, c), across)
                                    ),
                                    lines,
                                    arrayMap(line -> arrayMap(c -> arrayDotProduct(line, c), lines), lines)
                                ),
                                factor * least * (3 - factor * factor * least * least) / 2
                            ),
                            [arrayMap(place -> arrayMap(line -> line[place], lines), range(1, 3 + 1))]
                        )[1],
                        [sqrt(3 / (1 + least + least * least))]
                    )[1],
                    [now.2]
                )[1],
                [now.1]
            )[1],
            range(1, 24 + 1),
            (lines, 1.5E-8)
        ).1 AS lines
    FROM (
        SELECT arrayMap(p -> p.2, arraySort(p -> p.1, groupArray((k, arrayMap(v -> v / size, x))))) AS lines
        FROM (
            SELECT
                m.k AS k,
                m.x AS x,
                t.size AS size
            FROM crossed AS m
            CROSS JOIN (
                SELECT coalesce(nullif(sqrt(arrayDotProduct(lengths, lengths)), 0), 1) AS size
                FROM (
                    -- In the order of k: a sum in no order would not be the same each time.
                    SELECT arrayMap(
                        p -> p.2,
                        arraySort(p -> p.1, groupArray((k, sqrt(arrayDotProduct(x, x)))))
                    ) AS lengths
                    FROM crossed AS c
                ) AS l
            ) AS t
        ) AS m
    ) AS c
) AS f
ARRAY JOIN f.lines AS sqlstab_v, arrayEnumerate(f.lines) AS sqlstab_k;

CREATE TABLE "sqlstab_solve_figures" ENGINE = MergeTree ORDER BY tuple() AS
WITH
-- The Gram matrices G_T = T'T of the items and G_W = W'W of the users: rows, and the norms of the columns of T and W.
gram AS (
    SELECT
        side,
        i,
        arrayMap(p -> p.2, arraySort(p -> p.1, groupArray((j, value)))) AS x
    FROM (
        SELECT
            above.side AS side,
            above.i AS i,
            above.j AS j,
            above.value AS value
        FROM grams AS above
        UNION ALL
        SELECT
            below.side AS side,
            below.j AS i,
            below.i AS j,
            below.value AS value
        FROM grams AS below
        WHERE below.i < below.j
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
-- 4. The cross Gram matrix of the balanced vectors with the reference's, C = M_T' (T'T_ref), summed over both sides, has the singular value
-- decomposition C = A D B'. Omega = A B', its polar factor, brings this run closest to the reference.
references_y AS (
    SELECT
        side,
        j,
        arrayMap(p -> p.2, arraySort(p -> p.1, groupArray((i, value)))) AS x
    FROM crosses AS c
    GROUP BY
        side,
        j
),
-- Its rows k, which are the columns of C'.
crossed AS (
    SELECT
        k,
        arrayMap(p -> p.2, arraySort(p -> p.1, groupArray((j, value)))) AS x
    FROM (
        SELECT
            b.k AS k,
            r.j AS j,
            sum(
                CASE r.side
                    WHEN 'items' THEN 1.0000000000000000e+00
                    WHEN 'users' THEN 1.0000000000000001e-01
                    ELSE 0
                END * arrayDotProduct(b.x, r.x)
            ) AS value
        FROM "sqlstab_solve_balanced" AS b
        JOIN references_y AS r ON r.side = b.side
        GROUP BY
            b.k,
            r.j
    ) AS entries
    GROUP BY k
),
-- Proof. The balanced Gram matrices M'GM must be S: the largest error of an entry (k, l), relative to sqrt(s_k s_l).
gram_balanced AS (
    SELECT
        b.side AS side,
        b.k AS k,
        arrayMap(p -> p.2, arraySort(p -> p.1, groupArray((g.i, arrayDotProduct(g.x, b.x))))) AS x
    FROM "sqlstab_solve_balanced" AS b
    JOIN gram AS g ON g.side = b.side
    GROUP BY
        b.side,
        b.k
),
gram_errors AS (
    SELECT
        b.side AS side,
        max(
            abs(arrayDotProduct(b.x, p.x) - CASE WHEN b.k = p.k THEN b.s ELSE 0 END) / sqrt(b.s) / sqrt(c.s)
        ) AS value
    FROM "sqlstab_solve_balanced" AS b
    JOIN gram_balanced AS p ON p.side = b.side
    JOIN "sqlstab_solve_singular" AS c ON c.k = p.k
    WHERE b.s > 0 AND c.s > 0
    GROUP BY b.side
),
-- Scores must not change: the largest entry of R_T (M_T M_W' - I) R_W', relative to the largest singular value.
triangles_balanced AS (
    SELECT
        t.side AS side,
        t.n AS n,
        arrayMap(p -> p.2, arraySort(p -> p.1, groupArray((b.k, arrayDotProduct(t.x, b.x))))) AS x
    FROM "sqlstab_solve_triangles" AS t
    JOIN "sqlstab_solve_balanced" AS b ON b.side = t.side
    GROUP BY
        t.side,
        t.n
),
score_error AS (
    SELECT max(
        abs(arrayDotProduct(t.b, w.b) - arrayDotProduct(t.x, w.x))
    ) / (SELECT nullif(max(s), 0) FROM "sqlstab_solve_singular") AS value
    FROM (
        SELECT
            b.x AS b,
            r.x AS x
        FROM triangles_balanced AS b
        JOIN "sqlstab_solve_triangles" AS r ON r.side = b.side AND r.n = b.n
        WHERE b.side = 'items'
    ) AS t
    CROSS JOIN (
        SELECT
            b.x AS b,
            r.x AS x
        FROM triangles_balanced AS b
        JOIN "sqlstab_solve_triangles" AS r ON r.side = b.side AND r.n = b.n
        WHERE b.side = 'users'
    ) AS w
),
-- Rows of Omega that are in use must be orthonormal.
omega_error AS (
    SELECT max(abs(arrayDotProduct(a.x, b.x) - CASE WHEN a.k = b.k THEN 1 ELSE 0 END)) AS value
    FROM "sqlstab_solve_omega_rows" AS a
    CROSS JOIN "sqlstab_solve_omega_rows" AS b
    WHERE
        a.k <= (SELECT count(*) FROM "sqlstab_solve_singular" WHERE s > 0)
        AND b.k <= (SELECT count(*) FROM "sqlstab_solve_singular" WHERE s > 0)
),
-- How well the two runs fit: X are the balanced vectors of the shared ids, Y the reference's; C = X'Y.
shared_gram AS (
    SELECT
        side,
        i,
        arrayMap(p -> p.2, arraySort(p -> p.1, groupArray((j, value)))) AS x
    FROM (
        SELECT
            above.side AS side,
            above.i AS i,
            above.j AS j,
            above.value AS value
        FROM shared_run AS above
        UNION ALL
        SELECT
            below.side AS side,
            below.j AS i,
            below.i AS j,
            below.value AS value
        FROM shared_run AS below
        WHERE below.i < below.j
    ) AS e
    GROUP BY
        side,
        i
),
shared_balanced AS (
    SELECT
        b.side AS side,
        b.k AS k,
        arrayMap(p -> p.2, arraySort(p -> p.1, groupArray((g.i, arrayDotProduct(g.x, b.x))))) AS x
    FROM "sqlstab_solve_balanced" AS b
    JOIN shared_gram AS g ON g.side = b.side
    GROUP BY
        b.side,
        b.k
),
run_gram AS (
    SELECT
        b.k AS k,
        p.k AS l,
        sum(
            CASE b.side
                WHEN 'items' THEN 1.0000000000000000e+00
                WHEN 'users' THEN 1.0000000000000001e-01
                ELSE 0
            END * arrayDotProduct(b.x, p.x)
        ) AS value
    FROM "sqlstab_solve_balanced" AS b
    JOIN shared_balanced AS p ON p.side = b.side
    GROUP BY
        b.k,
        p.k
),
reference_gram AS (
    SELECT
        i,
        j,
        sum(
            CASE e.side
                WHEN 'items' THEN 1.0000000000000000e+00
                WHEN 'users' THEN 1.0000000000000001e-01
                ELSE 0
            END * value
        ) AS value
    FROM (
        SELECT
            above.side AS side,
            above.i AS i,
            above.j AS j,
            above.value AS value
        FROM shared_reference AS above
        UNION ALL
        SELECT
            below.side AS side,
            below.j AS i,
            below.i AS j,
            below.value AS value
        FROM shared_reference AS below
        WHERE below.i < below.j
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
        (
            SELECT sum(
                arrayDotProduct(o.x, c.x)
            ) FROM "sqlstab_solve_omega_rows" AS o JOIN crossed AS c ON c.k = o.k
        ) AS cross_nuclear,
        (SELECT sum(arrayDotProduct(x, x)) FROM crossed) AS cross_squares
),
-- The pivots of the Cholesky factors are the squares of the largest entries of the rows of R.
pivots AS (
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
                sqlstab_k - 1 + 1 AS n,
                sqlstab_v AS value
            FROM (SELECT side, i, r AS x FROM "sqlstab_solve_unit_factors") AS m
            ARRAY JOIN m.x AS sqlstab_v, arrayEnumerate(m.x) AS sqlstab_k
        ) AS e
        GROUP BY
            side,
            n
    ) AS p
    GROUP BY side
),
-- What the rounding errors of the sums may do to the axes: these, times the trace of the inverse of the Gram matrix of
-- columns of length one, since G^(-1) = M S^(-1) M'.
accuracies AS (
    SELECT
        b.side AS side,
        2.220446049250313E-16 * (16 + sqrt(max(m.n_rows))) * sum(
            b.value * b.value * m.norm * m.norm / b.s
        ) AS value
    FROM (
        SELECT
            m.side AS side,
            m.k AS k,
            m.s AS s,
            sqlstab_k - 1 + 1 AS i,
            sqlstab_v AS value
        FROM "sqlstab_solve_balanced" AS m
        ARRAY JOIN m.x AS sqlstab_v, arrayEnumerate(m.x) AS sqlstab_k
    ) AS b
    JOIN norms AS m ON m.side = b.side AND m.i = b.i
    WHERE b.s > 0
    GROUP BY b.side
),
side_figures AS (
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
rank_of_scores AS (
    SELECT sum(CASE WHEN s > 0 THEN 1 ELSE 0 END) AS rank
    FROM "sqlstab_solve_singular"
),
-- Directions of this run that the shared ids say something about; the rows of Omega for all others are near zero.
determined AS (
    SELECT floor(sum(arrayDotProduct(x, x)) + 1E-3) AS aligned
    FROM "sqlstab_solve_omega_rows"
),
anchors AS (
    SELECT sum(n_rows) AS anchors
    FROM (
        SELECT
            side,
            max(n_rows) AS n_rows
        FROM crosses AS c
        GROUP BY side
    ) AS shared
)
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
    score_error.value AS score_error,
    anchors.anchors AS anchors,
    determined.aligned AS aligned,
    omega_error.value AS omega_error,
    sqrt(
        greatest(run_trace + reference_trace - 2 * cross_nuclear, 0) / nullif(reference_trace, 0)
    ) AS relative_residual,
    cross_squares / nullif(sqrt(run_squares) * sqrt(reference_squares), 0) AS cka,
    sqrt(
        sqrt(
            6 * greatest(run_squares + reference_squares - 2 * cross_squares, 0)
        ) / nullif(reference_trace, 0)
    ) AS bound
FROM (SELECT * FROM side_figures WHERE side = 'users') AS users
CROSS JOIN (SELECT * FROM side_figures WHERE side = 'items') AS items
CROSS JOIN rank_of_scores
CROSS JOIN score_error
CROSS JOIN anchors
CROSS JOIN determined
CROSS JOIN omega_error
CROSS JOIN sizes;

-- The two maps, from sums. Rows (name, i, j, value): name is users or items for the maps, omega for the
-- alignment, singular_values (j = 1), or that of a figure (i = j = 1).
WITH
balanced_rows AS (
    SELECT
        side,
        i,
        arrayMap(p -> p.2, arraySort(p -> p.1, groupArray((k, value)))) AS x
    FROM (
        SELECT
            m.side AS side,
            m.k AS k,
            sqlstab_k - 1 + 1 AS i,
            sqlstab_v AS value
        FROM "sqlstab_solve_balanced" AS m
        ARRAY JOIN m.x AS sqlstab_v, arrayEnumerate(m.x) AS sqlstab_k
    ) AS e
    GROUP BY
        side,
        i
),
omega AS (
    SELECT
        j,
        arrayMap(p -> p.2, arraySort(p -> p.1, groupArray((k, value)))) AS x
    FROM (
        SELECT
            m.k AS k,
            sqlstab_k - 1 + 1 AS j,
            sqlstab_v AS value
        FROM "sqlstab_solve_omega_rows" AS m
        ARRAY JOIN m.x AS sqlstab_v, arrayEnumerate(m.x) AS sqlstab_k
    ) AS e
    GROUP BY
        j
),
-- 5. The maps: M_T Omega for the items, M_W Omega for the users.
maps AS (
    SELECT
        m.side AS side,
        m.i AS i,
        o.j AS j,
        arrayDotProduct(m.x, o.x) AS value
    FROM balanced_rows AS m
    CROSS JOIN omega AS o
),
-- What forbids a result; NULL if nothing does.
checked AS (
    SELECT
        f.*,
        CASE
            WHEN users_columns <> 3
            THEN 'The SQL solver refuses: users: the sums are of ' || coalesce(
                toString(CAST(users_columns AS Int64)),
                'unknown'
            ) || ' components, not of 3; sqlstab run would, too.'
            WHEN NOT coalesce(users_longest >= 1E-145, false)
            THEN 'The SQL solver refuses: users: all vectors are zero, or so small that their squares are; sqlstab run would, too. Multiply small vectors by a constant.'
            WHEN NOT users_longest <= 1E150
            THEN 'The SQL solver refuses: users: the sums of squares overflow, or nearly so. Divide the vectors by a constant.'
            WHEN items_columns <> 3
            THEN 'The SQL solver refuses: items: the sums are of ' || coalesce(
                toString(CAST(items_columns AS Int64)),
                'unknown'
            ) || ' components, not of 3; sqlstab run would, too.'
            WHEN NOT coalesce(items_longest >= 1E-145, false)
            THEN 'The SQL solver refuses: items: all vectors are zero, or so small that their squares are; sqlstab run would, too. Multiply small vectors by a constant.'
            WHEN NOT items_longest <= 1E150
            THEN 'The SQL solver refuses: items: the sums of squares overflow, or nearly so. Divide the vectors by a constant.'
            WHEN rank = 0
            THEN 'The SQL solver refuses: all scores are zero, users and items have no direction in common; sqlstab run would, too.'
            WHEN users_rank < users_live
            THEN 'The SQL solver refuses: users: of ' || coalesce(
                toString(CAST(users_live AS Int64)),
                'unknown'
            ) || ' columns that are not zero only ' || coalesce(toString(
                CAST(users_rank AS Int64)
            ), 'unknown')
                || ' are independent, as far as these sums show. Use sqlstab run, which takes a second pass where it must.'
            WHEN NOT coalesce(users_accuracy <= 1E-2, false)
            THEN 'The SQL solver refuses: users: the columns are nearly dependent (condition at least ' || coalesce(
                toString(users_condition),
                'unknown'
            )
                || '), too much for sums of products. Use sqlstab run, which takes a second pass.'
            WHEN items_rank < items_live
            THEN 'The SQL solver refuses: items: of ' || coalesce(
                toString(CAST(items_live AS Int64)),
                'unknown'
            ) || ' columns that are not zero only ' || coalesce(toString(
                CAST(items_rank AS Int64)
            ), 'unknown')
                || ' are independent, as far as these sums show. Use sqlstab run, which takes a second pass where it must.'
            WHEN NOT coalesce(items_accuracy <= 1E-2, false)
            THEN 'The SQL solver refuses: items: the columns are nearly dependent (condition at least ' || coalesce(
                toString(items_condition),
                'unknown'
            )
                || '), too much for sums of products. Use sqlstab run, which takes a second pass.'
            WHEN NOT coalesce(aligned >= 1, false)
            THEN 'The SQL solver refuses: the runs share no ids to align on, or none with a weight above zero; sqlstab run would, too, unless the earlier run has stored maps only.'
            WHEN NOT coalesce(aligned >= rank, false)
            THEN 'The SQL solver refuses: the shared ids say nothing about ' || coalesce(
                toString(CAST(rank - aligned AS Int64)),
                'unknown'
            ) || ' of ' || coalesce(toString(CAST(rank AS Int64)), 'unknown')
                || ' directions. Use sqlstab run, which places them in what is left of the space.'
            WHEN NOT coalesce(
                greatest(score_error, omega_error, 1E-7 * users_gram_error, 1E-7 * items_gram_error) <= 1E-9,
                false
            )
            THEN 'The SQL solver refuses: the result fails its own proof: scores change by ' || coalesce(
                toString(score_error),
                'unknown'
            )
                || ', the balanced Gram matrices are off by ' || coalesce(
                    toString(greatest(users_gram_error, items_gram_error)),
                    'unknown'
                )
                || ', Omega is not orthogonal by ' || coalesce(toString(omega_error), 'unknown')
                || '. Use sqlstab run.'
        END AS problem
    FROM "sqlstab_solve_figures" AS f
)
SELECT
    r.name AS name,
    r.i AS i,
    r.j AS j,
    CASE WHEN c.problem IS NULL THEN r.value ELSE toFloat64(coalesce(c.problem, '0')) END AS value
FROM checked AS c
CROSS JOIN (
    SELECT side AS name, i, j, value FROM maps
    UNION ALL
    SELECT 'omega', k, j, value
    FROM (
        SELECT
            m.j AS j,
            sqlstab_k - 1 + 1 AS k,
            sqlstab_v AS value
        FROM omega AS m
        ARRAY JOIN m.x AS sqlstab_v, arrayEnumerate(m.x) AS sqlstab_k
    ) AS o
    WHERE k <= (SELECT rank FROM "sqlstab_solve_figures")
    UNION ALL
    SELECT 'singular_values', k, 1, s FROM "sqlstab_solve_singular"
    UNION ALL
    SELECT 'users_rows', 1, 1, toFloat64(users_rows) FROM "sqlstab_solve_figures"
    UNION ALL
    SELECT 'users_columns', 1, 1, toFloat64(users_columns) FROM "sqlstab_solve_figures"
    UNION ALL
    SELECT 'users_live', 1, 1, toFloat64(users_live) FROM "sqlstab_solve_figures"
    UNION ALL
    SELECT 'users_rank', 1, 1, toFloat64(users_rank) FROM "sqlstab_solve_figures"
    UNION ALL
    SELECT 'users_condition', 1, 1, toFloat64(users_condition) FROM "sqlstab_solve_figures"
    UNION ALL
    SELECT 'users_accuracy', 1, 1, toFloat64(users_accuracy) FROM "sqlstab_solve_figures"
    UNION ALL
    SELECT 'users_gram_error', 1, 1, toFloat64(users_gram_error) FROM "sqlstab_solve_figures"
    UNION ALL
    SELECT 'items_rows', 1, 1, toFloat64(items_rows) FROM "sqlstab_solve_figures"
    UNION ALL
    SELECT 'items_columns', 1, 1, toFloat64(items_columns) FROM "sqlstab_solve_figures"
    UNION ALL
    SELECT 'items_live', 1, 1, toFloat64(items_live) FROM "sqlstab_solve_figures"
    UNION ALL
    SELECT 'items_rank', 1, 1, toFloat64(items_rank) FROM "sqlstab_solve_figures"
    UNION ALL
    SELECT 'items_condition', 1, 1, toFloat64(items_condition) FROM "sqlstab_solve_figures"
    UNION ALL
    SELECT 'items_accuracy', 1, 1, toFloat64(items_accuracy) FROM "sqlstab_solve_figures"
    UNION ALL
    SELECT 'items_gram_error', 1, 1, toFloat64(items_gram_error) FROM "sqlstab_solve_figures"
    UNION ALL
    SELECT 'rank', 1, 1, toFloat64(rank) FROM "sqlstab_solve_figures"
    UNION ALL
    SELECT 'score_error', 1, 1, toFloat64(score_error) FROM "sqlstab_solve_figures"
    UNION ALL
    SELECT 'anchors', 1, 1, toFloat64(anchors) FROM "sqlstab_solve_figures"
    UNION ALL
    SELECT 'aligned', 1, 1, toFloat64(aligned) FROM "sqlstab_solve_figures"
    UNION ALL
    SELECT 'omega_error', 1, 1, toFloat64(omega_error) FROM "sqlstab_solve_figures"
    UNION ALL
    SELECT 'relative_residual', 1, 1, toFloat64(relative_residual) FROM "sqlstab_solve_figures"
    UNION ALL
    SELECT 'cka', 1, 1, toFloat64(cka) FROM "sqlstab_solve_figures"
    UNION ALL
    SELECT 'bound', 1, 1, toFloat64(bound) FROM "sqlstab_solve_figures"
) AS r
