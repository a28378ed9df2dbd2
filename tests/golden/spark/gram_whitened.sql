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
        p + k DIV 4 AS i,
        q + mod(k, 4) AS j,
        value,
        n_rows
    FROM (
        SELECT
            p,
            q,
            n_rows,
            u.k AS k,
            u.v AS value
        FROM (
            SELECT
                p,
                q,
                count(*) AS n_rows,
                array(
                    sum(a1 * b1), sum(a1 * b2), sum(a1 * b3), sum(a1 * b4),
                    sum(a2 * b1), sum(a2 * b2), sum(a2 * b3), sum(a2 * b4),
                    sum(a3 * b1), sum(a3 * b2), sum(a3 * b3), sum(a3 * b4),
                    sum(a4 * b1), sum(a4 * b2), sum(a4 * b3), sum(a4 * b4)
                ) AS sums
            FROM (
                SELECT
                    p,
                    q,
                    get(x, p - 1) AS a1,
                    get(x, p + 1 - 1) AS a2,
                    get(x, p + 2 - 1) AS a3,
                    get(x, p + 3 - 1) AS a4,
                    get(x, q - 1) AS b1,
                    get(x, q + 1 - 1) AS b2,
                    get(x, q + 2 - 1) AS b3,
                    get(x, q + 3 - 1) AS b4
                FROM (
                    SELECT
                        CAST(r.x AS array<double>) AS x
                    FROM (
                        SELECT
                            id,
                            transform(from_json('[
                                [5.0000000000000000e-01, 2.5000000000000000e-01, 0.0000000000000000e+00],
                                [0.0000000000000000e+00, -1.0000000000000000e+00, 2.0000000000000000e+00],
                                [1.0000000000000000e+00, 0.0000000000000000e+00, 9.9999999999999995e-21]
                            ]', 'array<array<double>>'), c -> aggregate(zip_with(c, x, (a, b) -> a * b), 0E0, (s, v) -> s + v)) AS x
                        FROM (
                            SELECT
                                id,
                                pinned.x AS x
                            FROM (
                                SELECT
                                    t.`id` AS id,
                                    CAST(t.`embedding` AS array<double>) AS x
                                FROM `items` AS t
                            ) AS p
                            LATERAL VIEW inline(array(struct(p.x))) pinned AS x
                        ) AS m
                    ) AS r
                ) AS v
                LATERAL VIEW explode(sequence(1, 3, 4)) AS p
                LATERAL VIEW explode(sequence(p, 3, 4)) AS q
            ) AS pieces
            GROUP BY
                p,
                q
        ) AS g
        LATERAL VIEW posexplode(g.sums) u AS k, v
    ) AS entries
) AS gram
WHERE i <= j AND j <= 3
ORDER BY
    i,
    j
