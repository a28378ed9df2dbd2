-- Both halves of the shared ids added up, without the constant component.
SELECT
    h.side AS side,
    h.i AS i,
    h.j AS j,
    sum(h.value) AS value,
    sum(h.n_rows) AS n_rows
FROM (
    -- Gram matrix of the items that this run and the reference share, for each half of the ids:
    -- the sum of x[i] * x[j] over the rows, for i <= j.
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
            1 + DIV(k, 3) AS i,
            1 + mod(k, 3) AS j,
            value,
            n_rows
        FROM (
            SELECT
                half,
                n_rows,
                k AS k,
                v AS value
            FROM (
                SELECT
                    CASE WHEN SUBSTR(TO_HEX(MD5(CAST(r.id AS STRING))), 9, 1) < '8' THEN 0 ELSE 1 END AS half,
                    count(*) AS n_rows,
                    [
                        sum(x1 * x1), sum(x1 * x2), sum(x1 * x3),
                        0E0, sum(x2 * x2), sum(x2 * x3),
                        0E0, 0E0, sum(x3 * x3)
                    ] AS sums
                FROM (
                    SELECT
                        id,
                        CAST(x[SAFE_ORDINAL(1)] AS FLOAT64) AS x1,
                        CAST(x[SAFE_ORDINAL(2)] AS FLOAT64) AS x2,
                        CAST(x[SAFE_ORDINAL(3)] AS FLOAT64) AS x3
                    FROM (
                        SELECT
                            t.`id` AS id,
                            t.`embedding` AS x
                        FROM `items` AS t
                    ) AS v
                ) AS r
                JOIN (
                    SELECT
                        t.`id` AS id
                    FROM `yesterday`.`items` AS t
                ) AS other USING (id)
                GROUP BY CASE WHEN SUBSTR(TO_HEX(MD5(CAST(r.id AS STRING))), 9, 1) < '8' THEN 0 ELSE 1 END
            ) AS g
            CROSS JOIN UNNEST(g.sums) AS v WITH OFFSET AS k
        ) AS entries
    ) AS gram
    WHERE i <= j
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
