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
                    sum(w * x1 * x1), sum(w * x1 * x2), sum(w * x1 * x3),
                    0E0, sum(w * x2 * x2), sum(w * x2 * x3),
                    0E0, 0E0, sum(w * x3 * x3)
                ] AS sums
            FROM (
                SELECT
                    id,
                    CAST(x[1] AS DOUBLE) AS x1,
                    CAST(x[2] AS DOUBLE) AS x2,
                    CAST(x[3] AS DOUBLE) AS x3
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
                    CAST(t."n_ratings" AS DOUBLE) AS w
                FROM "items" AS t
                WHERE
                    (t.year > 1990)
                    AND (t.n_ratings >= 20)
            ) AS other USING (id)
        ) AS g
    ) AS entries
) AS gram
WHERE i <= j
ORDER BY
    i,
    j
