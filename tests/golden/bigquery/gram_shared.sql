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
                    sum(other.w * x1 * x1), sum(other.w * x1 * x2), sum(other.w * x1 * x3),
                    0E0, sum(other.w * x2 * x2), sum(other.w * x2 * x3),
                    0E0, 0E0, sum(other.w * x3 * x3)
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
                    FROM `yesterday`.`items` AS t
                ) AS v
            ) AS r
            JOIN (
                SELECT
                    t.`id` AS id,
                    CAST(t.`n_ratings` AS FLOAT64) AS w
                FROM `items` AS t
                WHERE
                    (t.year > 1990)
                    AND (t.n_ratings >= 20)
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
