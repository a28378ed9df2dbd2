-- The vectors of the 60 ids that are longest in the reference, of all items that both runs have.
SELECT
    CAST(v.id AS VARCHAR) AS vector_id,
    v.x1 AS x1,
    v.x2 AS x2,
    v.x3 AS x3
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
        FROM "yesterday"."items" AS t
    ) AS v
) AS v
JOIN (
    SELECT
        id,
        reference_norm
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
        ) AS measured
    ) AS c
    ORDER BY
        reference_norm DESC,
        id
    LIMIT 60
) AS longest ON longest.id = v.id
ORDER BY
    longest.reference_norm DESC,
    longest.id
