-- The 10 ids with the smallest cosine of the stable vectors (after) and that of the raw ones (before),
-- of all items that both runs have.
SELECT
    toString(stable.id) AS moved_id,
    stable.cosine AS after,
    stable.norm AS norm,
    stable.reference_norm AS reference_norm,
    raw.cosine AS before,
    raw.norm AS raw_norm,
    raw.reference_norm AS raw_reference_norm
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
) AS stable
JOIN (
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
                    id,
                    [
                        arrayDotProduct(x, [5.0000000000000000e-01, 2.5000000000000000e-01, 0.0000000000000000e+00]),
                        arrayDotProduct(x, [0.0000000000000000e+00, -1.0000000000000000e+00, 2.0000000000000000e+00]),
                        arrayDotProduct(x, [1.0000000000000000e+00, 0.0000000000000000e+00, 9.9999999999999995e-21])
                    ] AS x
                FROM (
                    SELECT
                        t."id" AS id,
                        arrayMap(v -> assumeNotNull(v), arrayMap(v -> toFloat64(v), t."embedding")) AS x
                    FROM "items" AS t
                ) AS m
            ) AS run
            JOIN (
                SELECT
                    id,
                    [
                        arrayDotProduct(x, [5.0000000000000000e-01, 2.5000000000000000e-01, 0.0000000000000000e+00]),
                        arrayDotProduct(x, [0.0000000000000000e+00, -1.0000000000000000e+00, 2.0000000000000000e+00]),
                        arrayDotProduct(x, [1.0000000000000000e+00, 0.0000000000000000e+00, 9.9999999999999995e-21])
                    ] AS x
                FROM (
                    SELECT
                        t."id" AS id,
                        arrayMap(v -> assumeNotNull(v), arrayMap(v -> toFloat64(v), t."embedding")) AS x
                    FROM "yesterday"."items" AS t
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
