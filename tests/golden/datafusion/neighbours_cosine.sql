-- The 10 nearest neighbours of some ids by cosine, among all items that both runs have:
-- how many in the run, how many of them in the reference too, and how many of the reference's are found
-- when the run's vector is looked up among the reference's.
SELECT
    sum(CASE WHEN run_rank <= 10 THEN 1 ELSE 0 END) AS n_neighbours,
    sum(CASE WHEN run_rank <= 10 AND reference_rank <= 10 THEN 1 ELSE 0 END) AS n_both,
    sum(CASE WHEN index_rank <= 10 AND reference_rank <= 10 THEN 1 ELSE 0 END) AS n_found
FROM (
    SELECT
        row_number() OVER (PARTITION BY query_id ORDER BY run_score DESC, id) AS run_rank,
        row_number() OVER (PARTITION BY query_id ORDER BY reference_score DESC, id) AS reference_rank,
        row_number() OVER (PARTITION BY query_id ORDER BY index_score DESC, id) AS index_rank
    FROM (
        SELECT
            q.id AS query_id,
            c.id AS id,
            (q.x1 * c.x1 + q.x2 * c.x2 + q.x3 * c.x3) / nullif(q.norm * c.norm, 0) AS run_score,
            (q.y1 * c.y1 + q.y2 * c.y2 + q.y3 * c.y3) / nullif(q.reference_norm * c.reference_norm, 0) AS reference_score,
            (q.x1 * c.y1 + q.x2 * c.y2 + q.x3 * c.y3) / nullif(q.norm * c.reference_norm, 0) AS index_score
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
                        id,
                        CAST(x[1] AS DOUBLE) AS x1,
                        CAST(x[2] AS DOUBLE) AS x2,
                        CAST(x[3] AS DOUBLE) AS x3
                    FROM (
                        SELECT
                            t."id" AS id,
                            t."embedding" AS x
                        FROM "items" AS t
                        WHERE
                            (md5(CAST(t."id" AS VARCHAR)) < '028f5c29')
                    ) AS v
                ) AS run
                JOIN (
                    SELECT
                        id,
                        CAST(x[1] AS DOUBLE) AS x1,
                        CAST(x[2] AS DOUBLE) AS x2,
                        CAST(x[3] AS DOUBLE) AS x3
                    FROM (
                        SELECT
                            t."id" AS id,
                            t."embedding" AS x
                        FROM "yesterday"."items" AS t
                        WHERE
                            (md5(CAST(t."id" AS VARCHAR)) < '028f5c29')
                    ) AS v
                ) AS reference USING (id)
            ) AS pairs
        ) AS q
        CROSS JOIN (
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
                        id,
                        CAST(x[1] AS DOUBLE) AS x1,
                        CAST(x[2] AS DOUBLE) AS x2,
                        CAST(x[3] AS DOUBLE) AS x3
                    FROM (
                        SELECT
                            t."id" AS id,
                            t."embedding" AS x
                        FROM "items" AS t
                    ) AS v
                ) AS run
                JOIN (
                    SELECT
                        id,
                        CAST(x[1] AS DOUBLE) AS x1,
                        CAST(x[2] AS DOUBLE) AS x2,
                        CAST(x[3] AS DOUBLE) AS x3
                    FROM (
                        SELECT
                            t."id" AS id,
                            t."embedding" AS x
                        FROM "yesterday"."items" AS t
                    ) AS v
                ) AS reference USING (id)
            ) AS pairs
        ) AS c
    ) AS scores
    WHERE
        query_id <> id
        -- A zero vector has no cosine.
        AND run_score IS NOT NULL
        AND reference_score IS NOT NULL
        AND index_score IS NOT NULL
) AS ranks
