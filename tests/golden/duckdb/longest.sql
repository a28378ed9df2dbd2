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
            CAST(t."embedding" AS FLOAT[]) AS x
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
            (list_dot_product(x, y)) / nullif(norm * reference_norm, 0) AS cosine,
            norm,
            reference_norm
        FROM (
            SELECT
                pairs.*,
                sqrt(list_dot_product(pairs.x, pairs.x)) AS norm,
                sqrt(list_dot_product(pairs.y, pairs.y)) AS reference_norm
            FROM (
                SELECT
                    id,
                    run.x AS x,
                    reference.x AS y
                FROM (
                    SELECT
                        t."id" AS id,
                        CAST(t."embedding" AS DOUBLE[]) AS x
                    FROM "items" AS t
                ) AS run
                JOIN (
                    SELECT
                        t."id" AS id,
                        CAST(t."embedding" AS DOUBLE[]) AS x
                    FROM "yesterday"."items" AS t
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
