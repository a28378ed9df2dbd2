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
            u.k - 1 AS k,
            u.v AS value
        FROM (
            SELECT
                count(*) AS n_rows,
                ARRAY[
                    sum(w * x1 * x1), sum(w * x1 * x2), sum(w * x1 * x3),
                    0E0, sum(w * x2 * x2), sum(w * x2 * x3),
                    0E0, 0E0, sum(w * x3 * x3)
                ] AS sums
            FROM (
                SELECT
                    id,
                    CAST(x[1] AS double precision) AS x1,
                    CAST(x[2] AS double precision) AS x2,
                    CAST(x[3] AS double precision) AS x3
                FROM (
                    SELECT
                        id,
                        (x)[1:3] AS x
                    FROM (
                        SELECT
                            t."id" AS id,
                            t."embedding" AS x
                        FROM "yesterday"."items" AS t
                    ) AS whole
                    OFFSET 0
                ) AS v
                OFFSET 0
            ) AS r
            JOIN (
                SELECT
                    t."id" AS id,
                    CAST(t."n_ratings" AS double precision) AS w
                FROM "items" AS t
                WHERE
                    (t.year > 1990)
                    AND (t.n_ratings >= 20)
            ) AS other USING (id)
        ) AS g
        CROSS JOIN LATERAL unnest(g.sums) WITH ORDINALITY AS u(v, k)
    ) AS entries
) AS gram
WHERE i <= j
ORDER BY
    i,
    j
