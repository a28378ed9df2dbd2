-- The orthogonal matrix Omega = A B' that brings this run closest to the reference, from C = A D B': rows (k, j, value).
WITH
-- The rows k of C.
crossed AS (
    SELECT
        i AS k,
        array_agg(value ORDER BY j) AS x
    FROM crosses AS c
    GROUP BY i
),
omega_rows AS (
    WITH RECURSIVE
    steps AS (
        SELECT
            CAST(0 AS integer) AS n,
            k,
            (SELECT array_agg(v / size) FROM unnest(x) AS u(v)) AS x,
            CAST(1.5E-8 AS double precision) AS least
        FROM (
            SELECT
                m.k AS k,
                m.x AS x,
                t.size AS size
            FROM crossed AS m
            CROSS JOIN (
                SELECT coalesce(nullif(sqrt((SELECT sum(v * w) FROM unnest(lengths, lengths) AS pairs(v, w))), 0), 1) AS size
                FROM (
                    -- In the order of k: a sum in no order would not be the same each time.
                    SELECT array_agg(sqrt((SELECT sum(v * w) FROM unnest(x, x) AS pairs(v, w))) ORDER BY k) AS lengths
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
                    array_agg((SELECT sum(v * w) FROM unnest(a.x, b.x) AS pairs(v, w)) ORDER BY b.k) AS x
                FROM standing AS a
                CROSS JOIN standing AS b
                GROUP BY a.k
            ),
            across AS (
                SELECT
                    j,
                    array_agg(value ORDER BY k) AS x
                FROM (
                    SELECT
                        m.k AS k,
                        u.k - 1 + 1 AS j,
                        u.v AS value
                    FROM standing AS m
                    CROSS JOIN LATERAL unnest(m.x) WITH ORDINALITY AS u(v, k)
                ) AS e
                GROUP BY
                    j
            ),
            products AS (
                SELECT
                    s.k AS k,
                    array_agg((SELECT sum(v * w) FROM unnest(s.x, c.x) AS pairs(v, w)) ORDER BY c.j) AS y
                FROM squares AS s
                CROSS JOIN across AS c
                GROUP BY s.k
            )
            SELECT
                CAST(n + 1 AS integer) AS n,
                a.k AS k,
                (SELECT array_agg(1.5 * factor * v + -0.5 * factor * factor * factor * w) FROM unnest(x, y) AS pairs(v, w)) AS x,
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
    u.k - 1 + 1 AS j,
    u.v AS value
FROM omega_rows AS m
CROSS JOIN LATERAL unnest(m.x) WITH ORDINALITY AS u(v, k)
