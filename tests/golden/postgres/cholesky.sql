-- Cholesky factors, G = R'R, and their inverses, R P = I: column i of R (r) and row i of P (p).
WITH RECURSIVE
steps AS (
    SELECT
        CAST(0 AS integer) AS n,
        side,
        i,
        CAST(ARRAY[] AS double precision[]) AS r,
        CAST(ARRAY[] AS double precision[]) AS p,
        x[i] AS d
    FROM matrices AS m
    UNION ALL (
        WITH standing AS (
            SELECT *
            FROM steps
            WHERE n < 3
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
            CAST(n + 1 AS integer) AS n,
            side,
            i,
            array_append(r, entry) AS r,
            array_append(p, CASE WHEN pivot_d > 2.6645352591003757e-15 THEN (CASE WHEN i = pivot_i THEN 1 ELSE 0 END - coalesce((SELECT sum(v * w) FROM unnest(p, pivot_r) AS pairs(v, w)), 0)) / sqrt(pivot_d) ELSE 0 END) AS p,
            CASE WHEN i = pivot_i THEN 0 ELSE d - entry * entry END AS d
        FROM (
            SELECT
                s.*,
                c.i AS pivot_i,
                c.d AS pivot_d,
                c.r AS pivot_r,
                CASE
                    WHEN s.d > 2.6645352591003757e-15
                    THEN (g.x[s.i] - coalesce((SELECT sum(v * w) FROM unnest(s.r, c.r) AS pairs(v, w)), 0)) / sqrt(c.d)
                    ELSE 0
                END AS entry
            FROM standing AS s
            JOIN chosen AS c ON c.side = s.side AND c.place = 1
            JOIN matrices AS g ON g.side = c.side AND g.i = c.i
        ) AS entries
    )
)
SELECT
    side,
    i,
    r,
    p
FROM steps
WHERE n = 3
