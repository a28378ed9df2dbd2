-- Cross Gram matrix of the items, for each half of the ids: the sum of x[i] * y[j] over the ids that this run (x)
-- and the reference (y) share, for all i and j; both vectors end with a 1. Row by row, in blocks of 4 by 4 that begin at (p, q).
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
        p + k / 4 AS i,
        q + mod(k, 4) AS j,
        value,
        n_rows
    FROM (
        SELECT
            half,
            p,
            q,
            n_rows,
            u.k - 1 AS k,
            u.v AS value
        FROM (
            SELECT
                half,
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
                    half,
                    p,
                    q,
                    element_at(x, p) AS a1,
                    element_at(x, p + 1) AS a2,
                    element_at(x, p + 2) AS a3,
                    element_at(x, p + 3) AS a4,
                    element_at(y, q) AS b1,
                    element_at(y, q + 1) AS b2,
                    element_at(y, q + 2) AS b3,
                    element_at(y, q + 3) AS b4
                FROM (
                    SELECT
                        CAST(run.x AS array(double)) AS x,
                        CAST(reference.x AS array(double)) AS y,
                        CASE WHEN SUBSTR(lower(to_hex(md5(to_utf8(CAST(run.id AS varchar))))), 9, 1) < '8' THEN 0 ELSE 1 END AS half
                    FROM (
                        SELECT
                            id,
                            c.x || ARRAY[1E0] AS x
                        FROM (
                            SELECT
                                id,
                                transform(x, v -> v / divisor) AS x
                            FROM (
                                SELECT
                                    q.*,
                                    coalesce(nullif(sqrt(reduce(zip_with(q.x, q.x, (a, b) -> a * b), 0E0, (s, v) -> s + v, s -> s)), 0), 1) AS divisor
                                FROM (
                                    SELECT
                                        id,
                                        transform(x, v -> v / divisor) AS x
                                    FROM (
                                        SELECT
                                            q.*,
                                            coalesce(nullif(array_max(transform(q.x, v -> abs(v))), 0), 1) AS divisor
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
                                        ) AS q
                                    ) AS n
                                ) AS q
                            ) AS n
                        ) AS c
                    ) AS run
                    JOIN (
                        SELECT
                            id,
                            c.x || ARRAY[1E0] AS x
                        FROM (
                            SELECT
                                id,
                                transform(x, v -> v / divisor) AS x
                            FROM (
                                SELECT
                                    q.*,
                                    coalesce(nullif(sqrt(reduce(zip_with(q.x, q.x, (a, b) -> a * b), 0E0, (s, v) -> s + v, s -> s)), 0), 1) AS divisor
                                FROM (
                                    SELECT
                                        id,
                                        transform(x, v -> v / divisor) AS x
                                    FROM (
                                        SELECT
                                            q.*,
                                            coalesce(nullif(array_max(transform(q.x, v -> abs(v))), 0), 1) AS divisor
                                        FROM (
                                            SELECT
                                                t."id" AS id,
                                                CAST(t."embedding" AS array(double)) AS x
                                            FROM "yesterday"."items" AS t
                                        ) AS q
                                    ) AS n
                                ) AS q
                            ) AS n
                        ) AS c
                    ) AS reference USING (id)
                ) AS v
                CROSS JOIN UNNEST(sequence(1, 4, 4)) AS steps_p(p)
                CROSS JOIN UNNEST(sequence(1, 4, 4)) AS steps_q(q)
            ) AS pieces
            GROUP BY
                half,
                p,
                q
        ) AS g
        CROSS JOIN UNNEST(g.sums) WITH ORDINALITY AS u(v, k)
    ) AS entries
) AS gram
WHERE i <= 4 AND j <= 4
ORDER BY
    half,
    i,
    j
