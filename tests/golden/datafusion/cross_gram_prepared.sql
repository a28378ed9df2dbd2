-- Cross Gram matrix of the items: the sum of x[i] * y[j] over the ids that this run (x) and the
-- reference (y) share, for all i and j.
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
                    sum(run.w * run.x1 * reference.x1), sum(run.w * run.x1 * reference.x2), sum(run.w * run.x1 * reference.x3),
                    sum(run.w * run.x2 * reference.x1), sum(run.w * run.x2 * reference.x2), sum(run.w * run.x2 * reference.x3),
                    sum(run.w * run.x3 * reference.x1), sum(run.w * run.x3 * reference.x2), sum(run.w * run.x3 * reference.x3)
                ] AS sums
            FROM (
                SELECT
                    id,
                    c.x1 - 0.5E0 AS x1,
                    c.x2 - -1.0E0 AS x2,
                    c.x3 - 1E-20 AS x3,
                    w
                FROM (
                    SELECT
                        id,
                        CAST(x[1] AS DOUBLE) AS x1,
                        CAST(x[2] AS DOUBLE) AS x2,
                        CAST(x[3] AS DOUBLE) AS x3,
                        w
                    FROM (
                        SELECT
                            t."id" AS id,
                            t."embedding" AS x,
                            CAST(t."n_ratings" AS DOUBLE) AS w
                        FROM "items" AS t
                        WHERE
                            (t.year > 1990)
                            AND (t.n_ratings >= 20)
                    ) AS v
                ) AS c
            ) AS run
            JOIN (
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
            ) AS reference USING (id)
        ) AS g
    ) AS entries
) AS gram
ORDER BY
    i,
    j
