-- The 10 ids with the smallest cosine of the stable vectors (after) and that of the raw ones (before),
-- of all items that both runs have.
SELECT
    CAST(stable.id AS VARCHAR) AS moved_id,
    stable.cosine AS after,
    stable.norm AS norm,
    stable.reference_norm AS reference_norm,
    raw.cosine AS before,
    raw.norm AS raw_norm,
    raw.reference_norm AS raw_reference_norm
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
                    CAST(GET(x, 1 - 1) AS FLOAT) AS x1,
                    CAST(GET(x, 2 - 1) AS FLOAT) AS x2,
                    CAST(GET(x, 3 - 1) AS FLOAT) AS x3
                FROM (
                    SELECT
                        t."id" AS id,
                        t."embedding" AS x
                    FROM "ITEMS" AS t
                ) AS v
            ) AS run
            JOIN (
                SELECT
                    id,
                    CAST(GET(x, 1 - 1) AS FLOAT) AS x1,
                    CAST(GET(x, 2 - 1) AS FLOAT) AS x2,
                    CAST(GET(x, 3 - 1) AS FLOAT) AS x3
                FROM (
                    SELECT
                        t."id" AS id,
                        t."embedding" AS x
                    FROM "YESTERDAY"."ITEMS" AS t
                ) AS v
            ) AS reference USING (id)
        ) AS pairs
    ) AS measured
) AS stable
JOIN (
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
                    m.x1 * 5.0000000000000000e-01 + m.x2 * 2.5000000000000000e-01 + m.x3 * 0.0000000000000000e+00 AS x1,
                    m.x1 * 0.0000000000000000e+00 + m.x2 * -1.0000000000000000e+00 + m.x3 * 2.0000000000000000e+00 AS x2,
                    m.x1 * 1.0000000000000000e+00 + m.x2 * 0.0000000000000000e+00 + m.x3 * 9.9999999999999995e-21 AS x3
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
                ) AS m
            ) AS run
            JOIN (
                SELECT
                    id,
                    m.x1 * 5.0000000000000000e-01 + m.x2 * 2.5000000000000000e-01 + m.x3 * 0.0000000000000000e+00 AS x1,
                    m.x1 * 0.0000000000000000e+00 + m.x2 * -1.0000000000000000e+00 + m.x3 * 2.0000000000000000e+00 AS x2,
                    m.x1 * 1.0000000000000000e+00 + m.x2 * 0.0000000000000000e+00 + m.x3 * 9.9999999999999995e-21 AS x3
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
                        FROM "YESTERDAY"."ITEMS" AS t
                    ) AS v
                ) AS m
            ) AS reference USING (id)
        ) AS pairs
    ) AS measured
) AS raw ON raw.id = stable.id
WHERE stable.cosine IS NOT NULL
ORDER BY
    stable.cosine,
    stable.id
LIMIT 10
