CREATE TABLE `sqlstab_solve_unit_factors` USING parquet AS
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
        transform(
            array_sort(
                collect_list(
                    struct(g.j AS d, coalesce(g.value / nullif(a.norm, 0) / nullif(b.norm, 0), 0) AS v)
                )
            ),
            s -> s.v
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
    u.k + 1 AS i,
    u.v.col3 AS r,
    u.v.col4 AS p
FROM (
    SELECT
        side,
        aggregate(
            sequence(1, 3),
            start,
            (lines, step) -> get(
                transform(
                    array(
                        get(
                            transform(
                                array(transform(lines, row -> row.col5)),
                                diagonal -> get(lines, array_position(diagonal, array_max(diagonal)) - 1)
                            ),
                            1 - 1
                        )
                    ),
                    chosen -> transform(
                        lines,
                        row -> get(
                            transform(
                                array(
                                    CASE
                                        WHEN row.col5 > 2.6645352591003757e-15 THEN (
                                            get(row.col2, chosen.col1 - 1) - aggregate(
                                                zip_with(row.col3, chosen.col3, (a, b) -> a * b),
                                                0E0,
                                                (s, v) -> s + v
                                            )
                                        ) / sqrt(chosen.col5)
                                        ELSE 0E0
                                    END
                                ),
                                entry -> struct(
                                    row.col1 AS col1,
                                    row.col2 AS col2,
                                    concat(row.col3, array(entry)) AS col3,
                                    concat(
                                        row.col4,
                                        array(
                                            CASE
                                                WHEN chosen.col5 > 2.6645352591003757e-15 THEN (
                                                    CASE
                                                        WHEN row.col1 = chosen.col1 THEN 1E0
                                                        ELSE 0E0
                                                    END - aggregate(
                                                        zip_with(row.col4, chosen.col3, (a, b) -> a * b),
                                                        0E0,
                                                        (s, v) -> s + v
                                                    )
                                                ) / sqrt(chosen.col5)
                                                ELSE 0E0
                                            END
                                        )
                                    ) AS col4,
                                    CASE
                                        WHEN row.col1 = chosen.col1 THEN 0E0
                                        ELSE row.col5 - entry * entry
                                    END AS col5
                                )
                            ),
                            1 - 1
                        )
                    )
                ),
                1 - 1
            )
        ) AS factor
    FROM (
        SELECT
            side,
            transform(
                array_sort(
                    collect_list(
                        struct(
                            i AS d,
                            struct(
                                i AS col1,
                                x AS col2,
                                CAST(array() AS array<double>) AS col3,
                                CAST(array() AS array<double>) AS col4,
                                get(x, i - 1) AS col5
                            ) AS v
                        )
                    )
                ),
                s -> s.v
            ) AS start
        FROM unit_gram AS m
        GROUP BY side
    ) AS g
) AS f
LATERAL VIEW posexplode(f.factor) u AS k, v;

CREATE TABLE `sqlstab_solve_triangles` USING parquet AS
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
        transform(f.r, v -> v / coalesce(1 / nullif(m.norm, 0), 1)) AS x,
        transform(f.p, v -> v / coalesce(nullif(m.norm, 0), 1)) AS p,
        m.norm AS norm
    FROM `sqlstab_solve_unit_factors` AS f
    JOIN norms AS m ON m.side = f.side AND m.i = f.i
)
SELECT
    side,
    n,
    transform(array_sort(collect_list(struct(i AS d, value AS v))), s -> s.v) AS x
FROM (
    SELECT
        m.side AS side,
        m.i AS i,
        u.k + 1 AS n,
        u.v AS value
    FROM factors AS m
    LATERAL VIEW posexplode(m.x) u AS k, v
) AS e
GROUP BY
    side,
    n;

CREATE TABLE `sqlstab_solve_singular` USING parquet AS
WITH
-- 2. The singular value decomposition R_T R_W' = U S V', whose columns times V are U S; S are the singular values of
-- the scores T W'.
scores AS (
    SELECT
        w.n AS k,
        transform(
            array_sort(
                collect_list(
                    struct(
                        t.n AS d,
                        aggregate(zip_with(t.x, w.x, (a, b) -> a * b), 0E0, (s, v) -> s + v) AS v
                    )
                )
            ),
            s -> s.v
        ) AS x
    FROM (SELECT n, x FROM `sqlstab_solve_triangles` WHERE side = 'users') AS w
    CROSS JOIN (SELECT n, x FROM `sqlstab_solve_triangles` WHERE side = 'items') AS t
    GROUP BY w.n
),
orthogonal AS (
    SELECT
        u.k + 1 AS k,
        u.v AS y
    FROM (
        SELECT
            aggregate(
                sequence(1, 40),
                struct(columns AS col1, 1E0 AS col2),
                (last, sweep) -> aggregate(
                    slice(sequence(1, 3), 1, CASE WHEN last.col2 > 1E-8 THEN 3 ELSE 0 END - 1 + 1),
                    struct(last.col1 AS col1, 0E0 AS col2),
                    (now, step) -> get(
                        transform(
                            array(
                                transform(
                                    transform(
                                        transform(
                                            zip_with(
                                                slice(now.col1, 1, 1 - 1 + 1),
                                                reverse(slice(now.col1, 3, 3 - 3 + 1)),
                                                (x, y) -> struct(
                                                    x AS col1,
                                                    y AS col2,
                                                    aggregate(
                                                        zip_with(x, x, (a, b) -> a * b),
                                                        0E0,
                                                        (s, v) -> s + v
                                                    ) AS col3,
                                                    aggregate(
                                                        zip_with(y, y, (a, b) -> a * b),
                                                        0E0,
                                                        (s, v) -> s + v
                                                    ) AS col4,
                                                    aggregate(
                                                        zip_with(x, y, (a, b) -> a * b),
                                                        0E0,
                                                        (s, v) -> s + v
                                                    ) AS col5
                                                )
                                            ),
                                            pair -> struct(
                                                pair.col1 AS col1,
                                                pair.col2 AS col2,
                                                CASE
                                                    WHEN least(
                                                        pair.col3,
                                                        pair.col4
                                                    ) > 1E-30 * greatest(pair.col3, pair.col4) THEN abs(pair.col5) / sqrt(pair.col3) / sqrt(pair.col4)
                                                    ELSE 0E0
                                                END AS col3,
                                                CASE
                                                    WHEN pair.col5 <> 0 THEN (
                                                        pair.col4 - pair.col3
                                                    ) / (2 * pair.col5)
                                                    ELSE 0E0
                                                END AS col4
                                            )
                                        ),
                                        pair -> struct(
                                            pair.col1 AS col1,
                                            pair.col2 AS col2,
                                            pair.col3 AS col3,
                                            CASE
                                                WHEN pair.col3 <= 1E-15 THEN 0E0
                                                WHEN pair.col4 >= 0 THEN 1 / (
                                                    pair.col4 + sqrt(1 + pair.col4 * pair.col4)
                                                )
                                                ELSE -1 / (sqrt(1 + pair.col4 * pair.col4) - pair.col4)
                                            END AS col4
                                        )
                                    ),
                                    pair -> get(
                                        transform(
                                            array(pair.col4),
                                            t -> get(
                                                transform(
                                                    array(1 / sqrt(1 + t * t)),
                                                    c -> struct(
                                                        zip_with(
                                                            pair.col1,
                                                            pair.col2,
                                                            (u, w) -> c * (u - t * w)
                                                        ) AS col1,
                                                        zip_with(
                                                            pair.col1,
                                                            pair.col2,
                                                            (u, w) -> c * (w + t * u)
                                                        ) AS col2,
                                                        pair.col3 AS col3
                                                    )
                                                ),
                                                1 - 1
                                            )
                                        ),
                                        1 - 1
                                    )
                                )
                            ),
                            turned -> struct(
                                get(
                                    transform(
                                        array(
                                            concat(
                                                concat(
                                                    transform(turned, pair -> pair.col1),
                                                    slice(now.col1, 2, 2 - 2 + 1)
                                                ),
                                                reverse(transform(turned, pair -> pair.col2))
                                            )
                                        ),
                                        placed -> concat(
                                            slice(placed, 3, 3 - 3 + 1),
                                            slice(placed, 1, 2 - 1 + 1)
                                        )
                                    ),
                                    1 - 1
                                ) AS col1,
                                greatest(now.col2, array_max(transform(turned, pair -> pair.col3))) AS col2
                            )
                        ),
                        1 - 1
                    )
                )
            ).col1 AS columns
        FROM (
            SELECT transform(array_sort(collect_list(struct(k AS d, x AS v))), s -> s.v) AS columns
            FROM scores AS m
        ) AS a
    ) AS f
    LATERAL VIEW posexplode(f.columns) u AS k, v
)
SELECT
    CAST(row_number() OVER (ORDER BY length DESC, k) AS int) AS k,
    CASE WHEN length > 2.6645352591003757e-15 * max(length) OVER () THEN length ELSE 0 END AS s,
    y
FROM (
    SELECT
        k,
        y,
        sqrt(aggregate(zip_with(y, y, (a, b) -> a * b), 0E0, (s, v) -> s + v)) AS length
    FROM orthogonal
) AS c;

CREATE TABLE `sqlstab_solve_balanced` USING parquet AS
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
        transform(f.r, v -> v / coalesce(1 / nullif(m.norm, 0), 1)) AS x,
        transform(f.p, v -> v / coalesce(nullif(m.norm, 0), 1)) AS p,
        m.norm AS norm
    FROM `sqlstab_solve_unit_factors` AS f
    JOIN norms AS m ON m.side = f.side AND m.i = f.i
)
SELECT
    o.side AS side,
    c.k AS k,
    c.s AS s,
    transform(
        array_sort(
            collect_list(
                struct(
                    f.i AS d,
                    CASE
                        WHEN c.s = 0 OR f.norm = 0 THEN 0
                        WHEN o.side = 'items' THEN aggregate(
                            zip_with(f.p, c.y, (a, b) -> a * b),
                            0E0,
                            (s, v) -> s + v
                        ) / sqrt(c.s)
                        ELSE aggregate(
                            zip_with(f.x, c.y, (a, b) -> a * b),
                            0E0,
                            (s, v) -> s + v
                        ) / (c.s * sqrt(c.s))
                    END AS v
                )
            )
        ),
        s -> s.v
    ) AS x
FROM `sqlstab_solve_singular` AS c
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

CREATE TABLE `sqlstab_solve_omega_rows` USING parquet AS
-- Rows k of Omega.
WITH
-- 4. The cross Gram matrix of the balanced vectors with the reference's, C = M_T' (T'T_ref), summed over both sides, has the singular value
-- decomposition C = A D B'. Omega = A B', its polar factor, brings this run closest to the reference.
references_y AS (
    SELECT
        side,
        j,
        transform(array_sort(collect_list(struct(i AS d, value AS v))), s -> s.v) AS x
    FROM crosses AS c
    GROUP BY
        side,
        j
),
-- Its rows k, which are the columns of C'.
crossed AS (
    SELECT
        k,
        transform(array_sort(collect_list(struct(j AS d, value AS v))), s -> s.v) AS x
    FROM (
        SELECT
            b.k AS k,
            r.j AS j,
            sum(
                CASE r.side
                    WHEN 'items' THEN 1.0000000000000000e+00
                    WHEN 'users' THEN 1.0000000000000001e-01
                    ELSE 0
                END * aggregate(zip_with(b.x, r.x, (a, b) -> a * b), 0E0, (s, v) -> s + v)
            ) AS value
        FROM `sqlstab_solve_balanced` AS b
        JOIN references_y AS r ON r.side = b.side
        GROUP BY
            b.k,
            r.j
    ) AS entries
    GROUP BY k
)
SELECT
    u.k + 1 AS k,
    u.v AS x
FROM (
    SELECT
        aggregate(
            sequence(1, 24),
            struct(lines AS col1, 1.5E-8 AS col2),
            (now, step) -> get(
                transform(
                    array(now.col1),
                    lines -> get(
                        transform(
                            array(now.col2),
                            least -> get(
                                transform(
                                    array(sqrt(3 / (1 + least + least * least))),
                                    factor -> get(
                                        transform(
                                            array(
                                                transform(
                                                    sequence(1, 3),
                                                    place -> transform(lines, line -> get(line, place - 1))
                                                )
                                            ),
                                            across -> struct(
                                                zip_with(
                                                    lines,
                                                    transform(
                                                        lines,
                                                        line -> transform(
                                                            lines,
                                                            c -> aggregate(
                                                                zip_with(c, line, (a, b) -> a * b),
                                                                0E0,
                                                                (s, v) -> s + v
                                                            )
                                                        )
                                                    ),
                                                    (line, square) -> zip_with(
                                                        line,
                                                        transform(
                                                            across,
                                                            c -> aggregate(
                                                                zip_with(c, square, (a, b) -> a * b),
                                                                0E0,
                                                                (s, v) -> s + v
                                                            )
                                                        ),
                                                        (u, w) -> factor * (3 * u - factor * factor * w) / 2
                                                    )
                                                ) AS col1,
                                                factor * least * (
                                                    3 - factor * factor * least * least
                                                ) / 2 AS col2
                                            )
                                        ),
                                        1 - 1
                                    )
                                ),
                                1 - 1
                            )
                        ),
                        1 - 1
                    )
                ),
                1 - 1
            )
        ).col1 AS lines
    FROM (
        SELECT transform(
            array_sort(collect_list(struct(k AS d, transform(x, v -> v / size) AS v))),
            s -> s.v
        ) AS lines
        FROM (
            SELECT
                m.k AS k,
                m.x AS x,
                t.size AS size
            FROM crossed AS m
            CROSS JOIN (
                SELECT coalesce(
                    nullif(
                        sqrt(aggregate(zip_with(lengths, lengths, (a, b) -> a * b), 0E0, (s, v) -> s + v)),
                        0
                    ),
                    1
                ) AS size
                FROM (
                    -- In the order of k: a sum in no order would not be the same each time.
                    SELECT transform(
                        array_sort(
                            collect_list(
                                struct(
                                    k AS d,
                                    sqrt(
                                        aggregate(zip_with(x, x, (a, b) -> a * b), 0E0, (s, v) -> s + v)
                                    ) AS v
                                )
                            )
                        ),
                        s -> s.v
                    ) AS lengths
                    FROM crossed AS c
                ) AS l
            ) AS t
        ) AS m
    ) AS c
) AS f
LATERAL VIEW posexplode(f.lines) u AS k, v;

CREATE TABLE `sqlstab_solve_figures` USING parquet AS
WITH
-- The Gram matrices G_T = T'T of the items and G_W = W'W of the users: rows, and the norms of the columns of T and W.
gram AS (
    SELECT
        side,
        i,
        transform(array_sort(collect_list(struct(j AS d, value AS v))), s -> s.v) AS x
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
        transform(array_sort(collect_list(struct(i AS d, value AS v))), s -> s.v) AS x
    FROM crosses AS c
    GROUP BY
        side,
        j
),
-- Its rows k, which are the columns of C'.
crossed AS (
    SELECT
        k,
        transform(array_sort(collect_list(struct(j AS d, value AS v))), s -> s.v) AS x
    FROM (
        SELECT
            b.k AS k,
            r.j AS j,
            sum(
                CASE r.side
                    WHEN 'items' THEN 1.0000000000000000e+00
                    WHEN 'users' THEN 1.0000000000000001e-01
                    ELSE 0
                END * aggregate(zip_with(b.x, r.x, (a, b) -> a * b), 0E0, (s, v) -> s + v)
            ) AS value
        FROM `sqlstab_solve_balanced` AS b
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
        transform(
            array_sort(
                collect_list(
                    struct(
                        g.i AS d,
                        aggregate(zip_with(g.x, b.x, (a, b) -> a * b), 0E0, (s, v) -> s + v) AS v
                    )
                )
            ),
            s -> s.v
        ) AS x
    FROM `sqlstab_solve_balanced` AS b
    JOIN gram AS g ON g.side = b.side
    GROUP BY
        b.side,
        b.k
),
gram_errors AS (
    SELECT
        b.side AS side,
        max(
            abs(
                aggregate(
                    zip_with(b.x, p.x, (a, b) -> a * b),
                    0E0,
                    (s, v) -> s + v
                ) - CASE WHEN b.k = p.k THEN b.s ELSE 0 END
            ) / sqrt(b.s) / sqrt(c.s)
        ) AS value
    FROM `sqlstab_solve_balanced` AS b
    JOIN gram_balanced AS p ON p.side = b.side
    JOIN `sqlstab_solve_singular` AS c ON c.k = p.k
    WHERE b.s > 0 AND c.s > 0
    GROUP BY b.side
),
-- Scores must not change: the largest entry of R_T (M_T M_W' - I) R_W', relative to the largest singular value.
triangles_balanced AS (
    SELECT
        t.side AS side,
        t.n AS n,
        transform(
            array_sort(
                collect_list(
                    struct(
                        b.k AS d,
                        aggregate(zip_with(t.x, b.x, (a, b) -> a * b), 0E0, (s, v) -> s + v) AS v
                    )
                )
            ),
            s -> s.v
        ) AS x
    FROM `sqlstab_solve_triangles` AS t
    JOIN `sqlstab_solve_balanced` AS b ON b.side = t.side
    GROUP BY
        t.side,
        t.n
),
score_error AS (
    SELECT max(
        abs(
            aggregate(
                zip_with(t.b, w.b, (a, b) -> a * b),
                0E0,
                (s, v) -> s + v
            ) - aggregate(zip_with(t.x, w.x, (a, b) -> a * b), 0E0, (s, v) -> s + v)
        )
    ) / (SELECT nullif(max(s), 0) FROM `sqlstab_solve_singular`) AS value
    FROM (
        SELECT
            b.x AS b,
            r.x AS x
        FROM triangles_balanced AS b
        JOIN `sqlstab_solve_triangles` AS r ON r.side = b.side AND r.n = b.n
        WHERE b.side = 'items'
    ) AS t
    CROSS JOIN (
        SELECT
            b.x AS b,
            r.x AS x
        FROM triangles_balanced AS b
        JOIN `sqlstab_solve_triangles` AS r ON r.side = b.side AND r.n = b.n
        WHERE b.side = 'users'
    ) AS w
),
-- Rows of Omega that are in use must be orthonormal.
omega_error AS (
    SELECT max(
        abs(
            aggregate(
                zip_with(a.x, b.x, (a, b) -> a * b),
                0E0,
                (s, v) -> s + v
            ) - CASE WHEN a.k = b.k THEN 1 ELSE 0 END
        )
    ) AS value
    FROM `sqlstab_solve_omega_rows` AS a
    CROSS JOIN `sqlstab_solve_omega_rows` AS b
    WHERE
        a.k <= (SELECT count(*) FROM `sqlstab_solve_singular` WHERE s > 0)
        AND b.k <= (SELECT count(*) FROM `sqlstab_solve_singular` WHERE s > 0)
),
-- How well the two runs fit: X are the balanced vectors of the shared ids, Y the reference's; C = X'Y.
shared_gram AS (
    SELECT
        side,
        i,
        transform(array_sort(collect_list(struct(j AS d, value AS v))), s -> s.v) AS x
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
        transform(
            array_sort(
                collect_list(
                    struct(
                        g.i AS d,
                        aggregate(zip_with(g.x, b.x, (a, b) -> a * b), 0E0, (s, v) -> s + v) AS v
                    )
                )
            ),
            s -> s.v
        ) AS x
    FROM `sqlstab_solve_balanced` AS b
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
            END * aggregate(zip_with(b.x, p.x, (a, b) -> a * b), 0E0, (s, v) -> s + v)
        ) AS value
    FROM `sqlstab_solve_balanced` AS b
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
                aggregate(zip_with(o.x, c.x, (a, b) -> a * b), 0E0, (s, v) -> s + v)
            ) FROM `sqlstab_solve_omega_rows` AS o JOIN crossed AS c ON c.k = o.k
        ) AS cross_nuclear,
        (
            SELECT sum(aggregate(zip_with(x, x, (a, b) -> a * b), 0E0, (s, v) -> s + v)) FROM crossed
        ) AS cross_squares
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
                u.k + 1 AS n,
                u.v AS value
            FROM (SELECT side, i, r AS x FROM `sqlstab_solve_unit_factors`) AS m
            LATERAL VIEW posexplode(m.x) u AS k, v
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
            u.k + 1 AS i,
            u.v AS value
        FROM `sqlstab_solve_balanced` AS m
        LATERAL VIEW posexplode(m.x) u AS k, v
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
    FROM `sqlstab_solve_singular`
),
-- Directions of this run that the shared ids say something about; the rows of Omega for all others are near zero.
determined AS (
    SELECT floor(sum(aggregate(zip_with(x, x, (a, b) -> a * b), 0E0, (s, v) -> s + v)) + 1E-3) AS aligned
    FROM `sqlstab_solve_omega_rows`
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
        transform(array_sort(collect_list(struct(k AS d, value AS v))), s -> s.v) AS x
    FROM (
        SELECT
            m.side AS side,
            m.k AS k,
            u.k + 1 AS i,
            u.v AS value
        FROM `sqlstab_solve_balanced` AS m
        LATERAL VIEW posexplode(m.x) u AS k, v
    ) AS e
    GROUP BY
        side,
        i
),
omega AS (
    SELECT
        j,
        transform(array_sort(collect_list(struct(k AS d, value AS v))), s -> s.v) AS x
    FROM (
        SELECT
            m.k AS k,
            u.k + 1 AS j,
            u.v AS value
        FROM `sqlstab_solve_omega_rows` AS m
        LATERAL VIEW posexplode(m.x) u AS k, v
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
        aggregate(zip_with(m.x, o.x, (a, b) -> a * b), 0E0, (s, v) -> s + v) AS value
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
                CAST(CAST(users_columns AS bigint) AS string),
                'unknown'
            ) || ' components, not of 3; sqlstab run would, too.'
            WHEN NOT coalesce(users_longest >= 1E-145, false)
            THEN 'The SQL solver refuses: users: all vectors are zero, or so small that their squares are; sqlstab run would, too. Multiply small vectors by a constant.'
            WHEN NOT users_longest <= 1E150
            THEN 'The SQL solver refuses: users: the sums of squares overflow, or nearly so. Divide the vectors by a constant.'
            WHEN items_columns <> 3
            THEN 'The SQL solver refuses: items: the sums are of ' || coalesce(
                CAST(CAST(items_columns AS bigint) AS string),
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
                CAST(CAST(users_live AS bigint) AS string),
                'unknown'
            ) || ' columns that are not zero only ' || coalesce(CAST(
                CAST(users_rank AS bigint) AS string
            ), 'unknown')
                || ' are independent, as far as these sums show. Use sqlstab run, which takes a second pass where it must.'
            WHEN NOT coalesce(users_accuracy <= 1E-2, false)
            THEN 'The SQL solver refuses: users: the columns are nearly dependent (condition at least ' || coalesce(
                CAST(users_condition AS string),
                'unknown'
            )
                || '), too much for sums of products. Use sqlstab run, which takes a second pass.'
            WHEN items_rank < items_live
            THEN 'The SQL solver refuses: items: of ' || coalesce(
                CAST(CAST(items_live AS bigint) AS string),
                'unknown'
            ) || ' columns that are not zero only ' || coalesce(CAST(
                CAST(items_rank AS bigint) AS string
            ), 'unknown')
                || ' are independent, as far as these sums show. Use sqlstab run, which takes a second pass where it must.'
            WHEN NOT coalesce(items_accuracy <= 1E-2, false)
            THEN 'The SQL solver refuses: items: the columns are nearly dependent (condition at least ' || coalesce(
                CAST(items_condition AS string),
                'unknown'
            )
                || '), too much for sums of products. Use sqlstab run, which takes a second pass.'
            WHEN NOT coalesce(aligned >= 1, false)
            THEN 'The SQL solver refuses: the runs share no ids to align on, or none with a weight above zero; sqlstab run would, too, unless the earlier run has stored maps only.'
            WHEN NOT coalesce(aligned >= rank, false)
            THEN 'The SQL solver refuses: the shared ids say nothing about ' || coalesce(
                CAST(CAST(rank - aligned AS bigint) AS string),
                'unknown'
            ) || ' of ' || coalesce(CAST(CAST(rank AS bigint) AS string), 'unknown')
                || ' directions. Use sqlstab run, which places them in what is left of the space.'
            WHEN NOT coalesce(
                greatest(score_error, omega_error, 1E-7 * users_gram_error, 1E-7 * items_gram_error) <= 1E-9,
                false
            )
            THEN 'The SQL solver refuses: the result fails its own proof: scores change by ' || coalesce(
                CAST(score_error AS string),
                'unknown'
            )
                || ', the balanced Gram matrices are off by ' || coalesce(
                    CAST(greatest(users_gram_error, items_gram_error) AS string),
                    'unknown'
                )
                || ', Omega is not orthogonal by ' || coalesce(CAST(omega_error AS string), 'unknown')
                || '. Use sqlstab run.'
        END AS problem
    FROM `sqlstab_solve_figures` AS f
)
SELECT
    r.name AS name,
    r.i AS i,
    r.j AS j,
    CASE WHEN c.problem IS NULL THEN r.value ELSE CAST(raise_error(c.problem) AS double) END AS value
FROM checked AS c
CROSS JOIN (
    SELECT side AS name, i, j, value FROM maps
    UNION ALL
    SELECT 'omega', k, j, value
    FROM (
        SELECT
            m.j AS j,
            u.k + 1 AS k,
            u.v AS value
        FROM omega AS m
        LATERAL VIEW posexplode(m.x) u AS k, v
    ) AS o
    WHERE k <= (SELECT rank FROM `sqlstab_solve_figures`)
    UNION ALL
    SELECT 'singular_values', k, 1, s FROM `sqlstab_solve_singular`
    UNION ALL
    SELECT 'users_rows', 1, 1, CAST(users_rows AS double) FROM `sqlstab_solve_figures`
    UNION ALL
    SELECT 'users_columns', 1, 1, CAST(users_columns AS double) FROM `sqlstab_solve_figures`
    UNION ALL
    SELECT 'users_live', 1, 1, CAST(users_live AS double) FROM `sqlstab_solve_figures`
    UNION ALL
    SELECT 'users_rank', 1, 1, CAST(users_rank AS double) FROM `sqlstab_solve_figures`
    UNION ALL
    SELECT 'users_condition', 1, 1, CAST(users_condition AS double) FROM `sqlstab_solve_figures`
    UNION ALL
    SELECT 'users_accuracy', 1, 1, CAST(users_accuracy AS double) FROM `sqlstab_solve_figures`
    UNION ALL
    SELECT 'users_gram_error', 1, 1, CAST(users_gram_error AS double) FROM `sqlstab_solve_figures`
    UNION ALL
    SELECT 'items_rows', 1, 1, CAST(items_rows AS double) FROM `sqlstab_solve_figures`
    UNION ALL
    SELECT 'items_columns', 1, 1, CAST(items_columns AS double) FROM `sqlstab_solve_figures`
    UNION ALL
    SELECT 'items_live', 1, 1, CAST(items_live AS double) FROM `sqlstab_solve_figures`
    UNION ALL
    SELECT 'items_rank', 1, 1, CAST(items_rank AS double) FROM `sqlstab_solve_figures`
    UNION ALL
    SELECT 'items_condition', 1, 1, CAST(items_condition AS double) FROM `sqlstab_solve_figures`
    UNION ALL
    SELECT 'items_accuracy', 1, 1, CAST(items_accuracy AS double) FROM `sqlstab_solve_figures`
    UNION ALL
    SELECT 'items_gram_error', 1, 1, CAST(items_gram_error AS double) FROM `sqlstab_solve_figures`
    UNION ALL
    SELECT 'rank', 1, 1, CAST(rank AS double) FROM `sqlstab_solve_figures`
    UNION ALL
    SELECT 'score_error', 1, 1, CAST(score_error AS double) FROM `sqlstab_solve_figures`
    UNION ALL
    SELECT 'anchors', 1, 1, CAST(anchors AS double) FROM `sqlstab_solve_figures`
    UNION ALL
    SELECT 'aligned', 1, 1, CAST(aligned AS double) FROM `sqlstab_solve_figures`
    UNION ALL
    SELECT 'omega_error', 1, 1, CAST(omega_error AS double) FROM `sqlstab_solve_figures`
    UNION ALL
    SELECT 'relative_residual', 1, 1, CAST(relative_residual AS double) FROM `sqlstab_solve_figures`
    UNION ALL
    SELECT 'cka', 1, 1, CAST(cka AS double) FROM `sqlstab_solve_figures`
    UNION ALL
    SELECT 'bound', 1, 1, CAST(bound AS double) FROM `sqlstab_solve_figures`
) AS r
