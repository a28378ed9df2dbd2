-- How many cosines of the same id in two runs are in each of 40 bins from -1 to 1, counted from 0,
-- for all users that both runs have.
SELECT
    bin,
    count(*) AS n_rows
FROM (
    -- The last bin includes 1; rounding may lead beyond either end.
    SELECT CAST(least(greatest(floor((cosine + 1) * 2.0000000000000000e+01), 0), 39) AS INT64) AS bin
    FROM (
        SELECT
            id,
            (x1 * y1 + x2 * y2 + x3 * y3) / nullif(norm * reference_norm, 0) AS cosine,
            norm,
            reference_norm
        FROM (
            SELECT
                pairs.*,
                sqrt(pairs.x1 * pairs.x1 + pairs.x2 * pairs.x2 + pairs.x3 * pairs.x3) AS norm,
                sqrt(pairs.y1 * pairs.y1 + pairs.y2 * pairs.y2 + pairs.y3 * pairs.y3) AS reference_norm
            FROM (
                SELECT
                    id,
                    run.x1 AS x1,
                    run.x2 AS x2,
                    run.x3 AS x3,
                    reference.x1 AS y1,
                    reference.x2 AS y2,
                    reference.x3 AS y3
                FROM (
                    SELECT
                        t.`id` AS id,
                        max(CASE WHEN t.`dim` = 0 THEN CAST(t.`value` AS FLOAT64) END) AS x1,
                        max(CASE WHEN t.`dim` = 1 THEN CAST(t.`value` AS FLOAT64) END) AS x2,
                        max(CASE WHEN t.`dim` = 2 THEN CAST(t.`value` AS FLOAT64) END) AS x3
                    FROM `lake`.`users` AS t
                    GROUP BY t.`id`
                ) AS run
                JOIN (
                    SELECT *
                    FROM (
                        SELECT
                            id,
                            CAST(x[SAFE_ORDINAL(1)] AS FLOAT64) AS x1,
                            CAST(x[SAFE_ORDINAL(2)] AS FLOAT64) AS x2,
                            CAST(x[SAFE_ORDINAL(3)] AS FLOAT64) AS x3
                        FROM (
                            SELECT
                                t.`id` AS id,
                                t.`v` AS x
                            FROM `users` AS t
                        ) AS v
                        WHERE ARRAY_LENGTH(x) = 3
                    ) AS r
                    WHERE
                        id IS NOT NULL
                        AND (r.x1 - r.x1) + (r.x2 - r.x2) + (r.x3 - r.x3) = 0
                        AND id NOT IN (
                            SELECT id
                            FROM (
                                SELECT t.`id` AS id
                                FROM `users` AS t
                            ) AS d
                            WHERE id IS NOT NULL
                            GROUP BY id
                            HAVING count(*) > 1
                        )
                ) AS reference USING (id)
            ) AS pairs
        ) AS measured
    ) AS c
    WHERE cosine IS NOT NULL
) AS binned
GROUP BY bin
ORDER BY bin
