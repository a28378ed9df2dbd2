-- The vectors of the 60 ids that are longest in the reference, of all items that both runs have.
SELECT
    toString(v.id) AS vector_id,
    v.x1 AS x1,
    v.x2 AS x2,
    v.x3 AS x3
FROM (
    SELECT
        id,
        toFloat64(x[1]) AS x1,
        toFloat64(x[2]) AS x2,
        toFloat64(x[3]) AS x3
    FROM (
        SELECT
            t."id" AS id,
            arrayMap(v -> assumeNotNull(v), t."embedding") AS x
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
            (arrayDotProduct(x, y)) / nullif(norm * reference_norm, 0) AS cosine,
            norm,
            reference_norm
        FROM (
            SELECT
                pairs.*,
                sqrt(arrayDotProduct(pairs.x, pairs.x)) AS norm,
                sqrt(arrayDotProduct(pairs.y, pairs.y)) AS reference_norm
            FROM (
                SELECT
                    id,
                    run.x AS x,
                    reference.x AS y
                FROM (
                    SELECT
                        t."id" AS id,
                        arrayMap(v -> assumeNotNull(v), arrayMap(v -> toFloat64(v), t."embedding")) AS x
                    FROM "items" AS t
                ) AS run
                JOIN (
                    SELECT
                        t."id" AS id,
                        arrayMap(v -> assumeNotNull(v), arrayMap(v -> toFloat64(v), t."embedding")) AS x
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
