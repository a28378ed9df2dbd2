-- Gram matrix of the items:
-- the sum of x[i] * x[j] over the rows, for i <= j.
SELECT
    'items' AS side,
    i,
    j,
    value,
    n_rows
FROM (
    SELECT
        1 + k / 3 AS i,
        1 + k % 3 AS j,
        value,
        n_rows
    FROM (
        SELECT
            n_rows,
            unnest(range(0, 9)) AS k,
            unnest(g.sums) AS value
        FROM (
            SELECT
                count(*) AS n_rows,
                [
                    sum(x1 * x1), sum(x1 * x2), sum(x1 * x3),
                    0E0, sum(x2 * x2), sum(x2 * x3),
                    0E0, 0E0, sum(x3 * x3)
                ] AS sums
            FROM (
                SELECT
                    id,
                    x1 / divisor AS x1,
                    x2 / divisor AS x2,
                    x3 / divisor AS x3
                FROM (
                    SELECT
                        q.*,
                        coalesce(nullif(sqrt(q.x1 * q.x1 + q.x2 * q.x2 + q.x3 * q.x3), 0), 1) AS divisor
                    FROM (
                        SELECT
                            id,
                            x1 / divisor AS x1,
                            x2 / divisor AS x2,
                            x3 / divisor AS x3
                        FROM (
                            SELECT
                                q.*,
                                coalesce(nullif(greatest(abs(q.x1), abs(q.x2), abs(q.x3)), 0), 1) AS divisor
                            FROM (
                                SELECT
                                    id,
                                    c.x1 - 0.5E0 AS x1,
                                    c.x2 - -1.0E0 AS x2,
                                    c.x3 - 1E-20 AS x3
                                FROM (
                                    SELECT
                                        t."item_id" AS id,
                                        CAST(t."e0" AS DOUBLE) AS x1,
                                        CAST(t."e1" AS DOUBLE) AS x2,
                                        CAST(t."e2" AS DOUBLE) AS x3
                                    FROM "lake"."items" AS t
                                ) AS c
                            ) AS q
                        ) AS n
                    ) AS q
                ) AS n
            ) AS r
        ) AS g
    ) AS entries
) AS gram
WHERE i <= j
ORDER BY
    i,
    j
