-- Gram matrix of the items that this run and the reference share, for each half of the ids:
-- the sum of x[i] * x[j] over the rows, each times its weight, for i <= j. Row by row, in blocks of 4 by 4 that begin at (p, q).
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
        p + k DIV 4 AS i,
        q + mod(k, 4) AS j,
        value,
        n_rows
    FROM (
        SELECT
            half,
            p,
            q,
            n_rows,
            u.k AS k,
            u.v AS value
        FROM (
            SELECT
                half,
                p,
                q,
                count(*) AS n_rows,
                array(
                    sum(w * a1 * b1), sum(w * a1 * b2), sum(w * a1 * b3), sum(w * a1 * b4),
                    sum(w * a2 * b1), sum(w * a2 * b2), sum(w * a2 * b3), sum(w * a2 * b4),
                    sum(w * a3 * b1), sum(w * a3 * b2), sum(w * a3 * b3), sum(w * a3 * b4),
                    sum(w * a4 * b1), sum(w * a4 * b2), sum(w * a4 * b3), sum(w * a4 * b4)
                ) AS sums
            FROM (
                SELECT
                    half,
                    p,
                    q,
                    get(x, p - 1) AS a1,
                    get(x, p + 1 - 1) AS a2,
                    get(x, p + 2 - 1) AS a3,
                    get(x, p + 3 - 1) AS a4,
                    get(x, q - 1) AS b1,
                    get(x, q + 1 - 1) AS b2,
                    get(x, q + 2 - 1) AS b3,
                    get(x, q + 3 - 1) AS b4,
                    w
                FROM (
                    SELECT
                        CAST(r.x AS array<double>) AS x,
                        r.w * other.w AS w,
                        CASE WHEN SUBSTR(md5(CAST(r.id AS string)), 9, 1) < '8' THEN 0 ELSE 1 END AS half
                    FROM (
                        SELECT
                            id,
                            transform(x, v -> v / divisor) AS x,
                            w
                        FROM (
                            SELECT
                                id,
                                pinned.x AS x,
                                pinned.divisor AS divisor,
                                w
                            FROM (
                                SELECT
                                    q.*,
                                    coalesce(nullif(sqrt(aggregate(zip_with(q.x, q.x, (a, b) -> a * b), 0E0, (s, v) -> s + v)), 0), 1) AS divisor
                                FROM (
                                    SELECT
                                        id,
                                        pinned.x AS x,
                                        w
                                    FROM (
                                        SELECT
                                            id,
                                            transform(x, v -> v / divisor) AS x,
                                            w
                                        FROM (
                                            SELECT
                                                id,
                                                pinned.x AS x,
                                                pinned.divisor AS divisor,
                                                w
                                            FROM (
                                                SELECT
                                                    q.*,
                                                    coalesce(nullif(array_max(transform(q.x, v -> abs(v))), 0), 1) AS divisor
                                                FROM (
                                                    SELECT
                                                        id,
                                                        pinned.x AS x,
                                                        w
                                                    FROM (
                                                        SELECT
                                                            id,
                                                            transform(from_json('[
                                                                [5.0000000000000000e-01, 2.5000000000000000e-01, 0.0000000000000000e+00],
                                                                [0.0000000000000000e+00, -1.0000000000000000e+00, 2.0000000000000000e+00],
                                                                [1.0000000000000000e+00, 0.0000000000000000e+00, 9.9999999999999995e-21]
                                                            ]', 'array<array<double>>'), c -> aggregate(zip_with(c, x, (a, b) -> a * b), 0E0, (s, v) -> s + v)) AS x,
                                                            w
                                                        FROM (
                                                            SELECT
                                                                id,
                                                                pinned.x AS x,
                                                                w
                                                            FROM (
                                                                SELECT
                                                                    t.`id` AS id,
                                                                    CAST(t.`embedding` AS array<double>) AS x,
                                                                    CAST(CASE t.run WHEN 'a' THEN 0.8E0 ELSE 1E0 END AS double) AS w
                                                                FROM `yesterday`.`items` AS t
                                                                WHERE
                                                                    (t.run IN ('a', 'b'))
                                                            ) AS p
                                                            LATERAL VIEW inline(array(struct(p.x))) pinned AS x
                                                        ) AS m
                                                    ) AS p
                                                    LATERAL VIEW inline(array(struct(p.x))) pinned AS x
                                                ) AS q
                                            ) AS p
                                            LATERAL VIEW inline(array(struct(p.x, p.divisor))) pinned AS x, divisor
                                        ) AS n
                                    ) AS p
                                    LATERAL VIEW inline(array(struct(p.x))) pinned AS x
                                ) AS q
                            ) AS p
                            LATERAL VIEW inline(array(struct(p.x, p.divisor))) pinned AS x, divisor
                        ) AS n
                    ) AS r
                    JOIN (
                        SELECT
                            t.`id` AS id,
                            CAST(t.`n_ratings` AS double) AS w
                        FROM `items` AS t
                        WHERE
                            (t.year > 1990)
                            AND (t.n_ratings >= 20)
                    ) AS other USING (id)
                ) AS v
                LATERAL VIEW explode(sequence(1, 3, 4)) AS p
                LATERAL VIEW explode(sequence(p, 3, 4)) AS q
            ) AS pieces
            GROUP BY
                half,
                p,
                q
        ) AS g
        LATERAL VIEW posexplode(g.sums) u AS k, v
    ) AS entries
) AS gram
WHERE i <= j AND j <= 3
ORDER BY
    half,
    i,
    j
