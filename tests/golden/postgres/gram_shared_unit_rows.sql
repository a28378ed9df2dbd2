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
        1 + k / 3 AS i,
        1 + mod(k, 3) AS j,
        value,
        n_rows
    FROM (
        SELECT
            half,
            n_rows,
            u.k - 1 AS k,
            u.v AS value
        FROM (
            SELECT
                CASE WHEN SUBSTR(md5(CAST(r.id AS text)), 9, 1) < '8' THEN 0 ELSE 1 END AS half,
                count(*) AS n_rows,
                ARRAY[
                    sum(r.w * other.w * x1 * x1), sum(r.w * other.w * x1 * x2), sum(r.w * other.w * x1 * x3),
                    0E0, sum(r.w * other.w * x2 * x2), sum(r.w * other.w * x2 * x3),
                    0E0, 0E0, sum(r.w * other.w * x3 * x3)
                ] AS sums
            FROM (
                SELECT
                    id,
                    x1 / divisor AS x1,
                    x2 / divisor AS x2,
                    x3 / divisor AS x3,
                    w
                FROM (
                    SELECT
                        q.*,
                        coalesce(nullif(sqrt(q.x1 * q.x1 + q.x2 * q.x2 + q.x3 * q.x3), 0), 1) AS divisor
                    FROM (
                        SELECT
                            id,
                            x1 / divisor AS x1,
                            x2 / divisor AS x2,
                            x3 / divisor AS x3,
                            w
                        FROM (
                            SELECT
                                q.*,
                                coalesce(nullif(greatest(abs(q.x1), abs(q.x2), abs(q.x3)), 0), 1) AS divisor
                            FROM (
                                SELECT
                                    id,
                                    m.x1 * 5.0000000000000000e-01 + m.x2 * 2.5000000000000000e-01 + m.x3 * 0.0000000000000000e+00 AS x1,
                                    m.x1 * 0.0000000000000000e+00 + m.x2 * -1.0000000000000000e+00 + m.x3 * 2.0000000000000000e+00 AS x2,
                                    m.x1 * 1.0000000000000000e+00 + m.x2 * 0.0000000000000000e+00 + m.x3 * 9.9999999999999995e-21 AS x3,
                                    w
                                FROM (
                                    SELECT
                                        id,
                                        CAST(x[1] AS double precision) AS x1,
                                        CAST(x[2] AS double precision) AS x2,
                                        CAST(x[3] AS double precision) AS x3,
                                        w
                                    FROM (
                                        SELECT
                                            id,
                                            (x)[1:3] AS x,
                                            w
                                        FROM (
                                            SELECT
                                                t."id" AS id,
                                                t."embedding" AS x,
                                                CAST(CASE t.run WHEN 'a' THEN 0.8E0 ELSE 1E0 END AS double precision) AS w
                                            FROM "yesterday"."items" AS t
                                            WHERE
                                                (t.run IN ('a', 'b'))
                                        ) AS whole
                                        OFFSET 0
                                    ) AS v
                                    OFFSET 0
                                ) AS m
                                OFFSET 0
                            ) AS q
                            OFFSET 0
                        ) AS n
                        OFFSET 0
                    ) AS q
                    OFFSET 0
                ) AS n
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
            GROUP BY CASE WHEN SUBSTR(md5(CAST(r.id AS text)), 9, 1) < '8' THEN 0 ELSE 1 END
        ) AS g
        CROSS JOIN LATERAL unnest(g.sums) WITH ORDINALITY AS u(v, k)
    ) AS entries
) AS gram
WHERE i <= j
ORDER BY
    half,
    i,
    j
