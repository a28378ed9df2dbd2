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
            1 + FLOOR(k / 3) AS i,
            1 + mod(k, 3) AS j,
            value,
            n_rows
        FROM (
            SELECT
                half,
                n_rows,
                u.index AS k,
                CAST(u.value AS FLOAT) AS value
            FROM (
                SELECT
                    CASE WHEN SUBSTR(MD5(CAST(r.id AS VARCHAR)), 9, 1) < '8' THEN 0 ELSE 1 END AS half,
                    count(*) AS n_rows,
                    ARRAY_CONSTRUCT(
                        sum(x1 * x1), sum(x1 * x2), sum(x1 * x3),
                        0E0, sum(x2 * x2), sum(x2 * x3),
                        0E0, 0E0, sum(x3 * x3)
                    ) AS sums
                FROM (
                    SELECT
                        id,
                        CAST(GET(x, 1 - 1) AS FLOAT) AS x1,
                        CAST(GET(x, 2 - 1) AS FLOAT) AS x2,
                        CAST(GET(x, 3 - 1) AS FLOAT) AS x3
                    FROM (
                        SELECT
                            t."id" AS id,
                            t."embedding" AS x
                        FROM "ITEMS" AS t
                    ) AS v
                ) AS r
                JOIN (
                    SELECT
                        t."id" AS id
                    FROM "YESTERDAY"."ITEMS" AS t
                ) AS other USING (id)
                GROUP BY CASE WHEN SUBSTR(MD5(CAST(r.id AS VARCHAR)), 9, 1) < '8' THEN 0 ELSE 1 END
            ) AS g
            CROSS JOIN LATERAL FLATTEN(input => g.sums) AS u
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
