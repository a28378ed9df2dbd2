-- The 10 ids with the smallest cosine of the stable vectors (after) and that of the raw ones (before),
-- of all items that both runs have.
SELECT
    CAST(stable.id AS text) AS moved_id,
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
                    CAST(x[1] AS double precision) AS x1,
                    CAST(x[2] AS double precision) AS x2,
                    CAST(x[3] AS double precision) AS x3
                FROM (
                    SELECT
                        id,
                        (x)[1:3] AS x
                    FROM (
                        SELECT
                            t."id" AS id,
                            t."embedding" AS x
                        FROM "items" AS t
                    ) AS whole
                    OFFSET 0
                ) AS v
                OFFSET 0
            ) AS run
            JOIN (
                SELECT
                    id,
                    CAST(x[1] AS double precision) AS x1,
                    CAST(x[2] AS double precision) AS x2,
                    CAST(x[3] AS double precision) AS x3
                FROM (
                    SELECT
                        id,
                        (x)[1:3] AS x
                    FROM (
                        SELECT
                            t."id" AS id,
                            t."embedding" AS x
                        FROM "yesterday"."items" AS t
                    ) AS whole
                    OFFSET 0
                ) AS v
                OFFSET 0
            ) AS reference USING (id)
            OFFSET 0
        ) AS pairs
        OFFSET 0
    ) AS measured
    OFFSET 0
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
                        CAST(x[1] AS double precision) AS x1,
                        CAST(x[2] AS double precision) AS x2,
                        CAST(x[3] AS double precision) AS x3
                    FROM (
                        SELECT
                            id,
                            (x)[1:3] AS x
                        FROM (
                            SELECT
                                t."id" AS id,
                                t."embedding" AS x
                            FROM "items" AS t
                        ) AS whole
                        OFFSET 0
                    ) AS v
                    OFFSET 0
                ) AS m
                OFFSET 0
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
                        CAST(x[1] AS double precision) AS x1,
                        CAST(x[2] AS double precision) AS x2,
                        CAST(x[3] AS double precision) AS x3
                    FROM (
                        SELECT
                            id,
                            (x)[1:3] AS x
                        FROM (
                            SELECT
                                t."id" AS id,
                                t."embedding" AS x
                            FROM "yesterday"."items" AS t
                        ) AS whole
                        OFFSET 0
                    ) AS v
                    OFFSET 0
                ) AS m
                OFFSET 0
            ) AS reference USING (id)
            OFFSET 0
        ) AS pairs
        OFFSET 0
    ) AS measured
    OFFSET 0
) AS raw ON raw.id = stable.id
WHERE stable.cosine IS NOT NULL
ORDER BY
    stable.cosine,
    stable.id
LIMIT 10
