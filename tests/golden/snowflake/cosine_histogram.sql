-- How many cosines of the same id in two runs are in each of 40 bins from -1 to 1, counted from 0,
-- for all users that both runs have.
SELECT
    bin,
    count(*) AS n_rows
FROM (
    -- The last bin includes 1; rounding may lead beyond either end.
    SELECT CAST(least(greatest(floor((cosine + 1) * 2.0000000000000000e+01), 0), 39) AS integer) AS bin
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
                        t."id" AS id,
                        max(CASE WHEN t."dim" = 0 THEN CAST(t."value" AS FLOAT) END) AS x1,
                        max(CASE WHEN t."dim" = 1 THEN CAST(t."value" AS FLOAT) END) AS x2,
                        max(CASE WHEN t."dim" = 2 THEN CAST(t."value" AS FLOAT) END) AS x3
                    FROM "LAKE"."USERS" AS t
                    GROUP BY t."id"
                ) AS run
                JOIN (
                    SELECT *
                    FROM (
                        SELECT
                            id,
                            CAST(GET(x, 1 - 1) AS FLOAT) AS x1,
                            CAST(GET(x, 2 - 1) AS FLOAT) AS x2,
                            CAST(GET(x, 3 - 1) AS FLOAT) AS x3
                        FROM (
                            SELECT
                                t."id" AS id,
                                t."v" AS x
                            FROM "USERS" AS t
                        ) AS v
                        WHERE ARRAY_SIZE(x) = 3
                    ) AS r
                    WHERE
                        id IS NOT NULL
                        AND (r.x1 - r.x1) + (r.x2 - r.x2) + (r.x3 - r.x3) = 0
                        AND id NOT IN (
                            SELECT id
                            FROM (
                                SELECT t."id" AS id
                                FROM "USERS" AS t
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
