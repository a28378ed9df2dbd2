-- Gram matrix of the items that this run and the reference share, for each half of the ids:
-- the sum of x[i] * x[j] over the rows, each times its weight, for i <= j.
SELECT
    'items' AS side,
    half,
    i,
    j,
    value,
    n_rows
FROM (
    SELECT
        half,
        1 + k // 3 AS i,
        1 + mod(k, 3) AS j,
        value,
        n_rows
    FROM (
        SELECT
            half,
            n_rows,
            unnest(range(9)) AS k,
            unnest(g.sums) AS value
        FROM (
            SELECT
                CASE WHEN SUBSTR(md5(CAST(r.id AS VARCHAR)), 9, 1) < '8' THEN 0 ELSE 1 END AS half,
                count(*) AS n_rows,
                [
                    sum(r.w * other.w * x1 * x1), sum(r.w * other.w * x1 * x2), sum(r.w * other.w * x1 * x3),
                    0E0, sum(r.w * other.w * x2 * x2), sum(r.w * other.w * x2 * x3),
                    0E0, 0E0, sum(r.w * other.w * x3 * x3)
                ] AS sums
            FROM (
                SELECT
                    id,
                    CAST(x[1] AS DOUBLE) AS x1,
                    CAST(x[2] AS DOUBLE) AS x2,
                    CAST(x[3] AS DOUBLE) AS x3,
                    w
                FROM (
                    SELECT
                        id,
                        list_transform(x, lambda v: v / divisor) AS x,
                        w
                    FROM (
                        SELECT
                            q.*,
                            coalesce(nullif(sqrt(list_dot_product(q.x, q.x)), 0), 1) AS divisor
                        FROM (
                            SELECT
                                id,
                                list_transform(x, lambda v: v / divisor) AS x,
                                w
                            FROM (
                                SELECT
                                    q.*,
                                    coalesce(nullif(list_max(list_transform(q.x, lambda v: abs(v))), 0), 1) AS divisor
                                FROM (
                                    SELECT
                                        id,
                                        list_transform([
                                            [5.0000000000000000e-01, 2.5000000000000000e-01, 0.0000000000000000e+00],
                                            [0.0000000000000000e+00, -1.0000000000000000e+00, 2.0000000000000000e+00],
                                            [1.0000000000000000e+00, 0.0000000000000000e+00, 9.9999999999999995e-21]
                                        ], lambda c: list_dot_product(c, x)) AS x,
                                        w
                                    FROM (
                                        SELECT
                                            t."id" AS id,
                                            CAST(t."embedding" AS DOUBLE[]) AS x,
                                            CAST(CASE t.run WHEN 'a' THEN 0.8E0 ELSE 1E0 END AS DOUBLE) AS w
                                        FROM "yesterday"."items" AS t
                                        WHERE
                                            (t.run IN ('a', 'b'))
                                    ) AS m
                                ) AS q
                            ) AS n
                        ) AS q
                    ) AS n
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
            GROUP BY CASE WHEN SUBSTR(md5(CAST(r.id AS VARCHAR)), 9, 1) < '8' THEN 0 ELSE 1 END
        ) AS g
    ) AS entries
) AS gram
WHERE i <= j
ORDER BY
    half,
    i,
    j
