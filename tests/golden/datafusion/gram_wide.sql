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
                    t."item_id" AS id,
                    CAST(t."e0" AS DOUBLE) AS x1,
                    CAST(t."e1" AS DOUBLE) AS x2,
                    CAST(t."e2" AS DOUBLE) AS x3
                FROM "lake"."items" AS t
            ) AS r
        ) AS g
    ) AS entries
) AS gram
WHERE i <= j
ORDER BY
    i,
    j
