-- The orthogonal matrix Omega = A B' that brings this run closest to the reference, from C = A D B': rows (k, j, value).
WITH
-- The rows k of C.
crossed AS (
    SELECT
        i AS k,
        list(value ORDER BY j) AS x
    FROM crosses AS c
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
                        unnest(range(4)) + 1 AS j,
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
    unnest(range(4)) + 1 AS j,
    unnest(m.x) AS value
FROM omega_rows AS m
