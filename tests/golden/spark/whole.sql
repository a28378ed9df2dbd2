-- Both halves of the shared ids added up, without the constant component.
SELECT
    h.side AS side,
    h.i AS i,
    h.j AS j,
    sum(h.value) AS value,
    sum(h.n_rows) AS n_rows
FROM (
    -- Gram matrix of the items that this run and the reference share, for each half of the ids:
    -- the sum of x[i] * x[j] over the rows, for i <= j. Row by row, in blocks of 4 by 4 that begin at (p, q).
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
                        sum(a1 * b1), sum(a1 * b2), sum(a1 * b3), sum(a1 * b4),
                        sum(a2 * b1), sum(a2 * b2), sum(a2 * b3), sum(a2 * b4),
                        sum(a3 * b1), sum(a3 * b2), sum(a3 * b3), sum(a3 * b4),
                        sum(a4 * b1), sum(a4 * b2), sum(a4 * b3), sum(a4 * b4)
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
                        get(x, q + 3 - 1) AS b4
                    FROM (
                        SELECT
                            CAST(r.x AS array<double>) AS x,
                            CASE WHEN SUBSTR(md5(CAST(r.id AS string)), 9, 1) < '8' THEN 0 ELSE 1 END AS half
                        FROM (
                            SELECT
                                t.`id` AS id,
                                t.`embedding` AS x
                            FROM `items` AS t
                        ) AS r
                        JOIN (
                            SELECT
                                t.`id` AS id
                            FROM `yesterday`.`items` AS t
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
) AS h
WHERE h.i <= 3 AND h.j <= 3
GROUP BY
    h.side,
    h.i,
    h.j
