-- Gram matrix of the items that this run and the reference share:
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
        1 + mod(k, 3) AS j,
        value,
        n_rows
    FROM (
        SELECT
            n_rows,
            k AS k,
            CAST(v AS DOUBLE PRECISION) AS value
        FROM (
            SELECT
                count(*) AS n_rows,
                ARRAY(
                    sum(w * x1 * x1), sum(w * x1 * x2), sum(w * x1 * x3),
                    0E0, sum(w * x2 * x2), sum(w * x2 * x3),
                    0E0, 0E0, sum(w * x3 * x3)
                ) AS sums
            FROM (
                SELECT
                    id,
                    CAST(x[1 - 1] AS DOUBLE PRECISION) AS x1,
                    CAST(x[2 - 1] AS DOUBLE PRECISION) AS x2,
                    CAST(x[3 - 1] AS DOUBLE PRECISION) AS x3
                FROM (
                    SELECT
                        t."id" AS id,
                        t."embedding" AS x
                    FROM "yesterday"."items" AS t
                ) AS v
            ) AS r
            JOIN (
                SELECT
                    t."id" AS id,
                    CAST(t."n_ratings" AS DOUBLE PRECISION) AS w
                FROM "items" AS t
                WHERE
                    (t.year > 1990)
                    AND (t.n_ratings >= 20)
            ) AS other USING (id)
        ) AS g
        CROSS JOIN g.sums AS v AT k
    ) AS entries
) AS gram
WHERE i <= j
ORDER BY
    i,
    j
