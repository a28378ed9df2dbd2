-- Gram matrix of the items:
-- the sum of x[i] * x[j] over the rows, for i <= j. Row by row, in blocks of 4 by 4 that begin at (p, q).
SELECT
    'items' AS side,
    i,
    j,
    value,
    n_rows
FROM (
    SELECT
        p + k / 4 AS i,
        q + mod(k, 4) AS j,
        value,
        n_rows
    FROM (
        SELECT
            p,
            q,
            n_rows,
            u.k - 1 AS k,
            u.v AS value
        FROM (
            SELECT
                p,
                q,
                count(*) AS n_rows,
                ARRAY[
                    sum(a1 * b1), sum(a1 * b2), sum(a1 * b3), sum(a1 * b4),
                    sum(a2 * b1), sum(a2 * b2), sum(a2 * b3), sum(a2 * b4),
                    sum(a3 * b1), sum(a3 * b2), sum(a3 * b3), sum(a3 * b4),
                    sum(a4 * b1), sum(a4 * b2), sum(a4 * b3), sum(a4 * b4)
                ] AS sums
            FROM (
                SELECT
                    p,
                    q,
                    element_at(x, p) AS a1,
                    element_at(x, p + 1) AS a2,
                    element_at(x, p + 2) AS a3,
                    element_at(x, p + 3) AS a4,
                    element_at(x, q) AS b1,
                    element_at(x, q + 1) AS b2,
                    element_at(x, q + 2) AS b3,
                    element_at(x, q + 3) AS b4
                FROM (
                    SELECT
                        CAST(r.x AS array(double)) AS x
                    FROM (
                        SELECT
                            id,
                            transform(ARRAY[
                                ARRAY[5.0000000000000000e-01, 2.5000000000000000e-01, 0.0000000000000000e+00],
                                ARRAY[0.0000000000000000e+00, -1.0000000000000000e+00, 2.0000000000000000e+00],
                                ARRAY[1.0000000000000000e+00, 0.0000000000000000e+00, 9.9999999999999995e-21]
                            ], c -> reduce(zip_with(c, x, (a, b) -> a * b), 0E0, (s, v) -> s + v, s -> s)) AS x
                        FROM (
                            SELECT
                                t."id" AS id,
                                CAST(t."embedding" AS array(double)) AS x
                            FROM "items" AS t
                        ) AS m
                    ) AS r
                ) AS v
                CROSS JOIN UNNEST(sequence(1, 3, 4)) AS steps_p(p)
                CROSS JOIN UNNEST(sequence(p, 3, 4)) AS steps_q(q)
            ) AS pieces
            GROUP BY
                p,
                q
        ) AS g
        CROSS JOIN UNNEST(g.sums) WITH ORDINALITY AS u(v, k)
    ) AS entries
) AS gram
WHERE i <= j AND j <= 3
ORDER BY
    i,
    j
