-- Cosine of the same id in two runs, and its length in the run relative to the reference,
-- for all items that both runs have.
SELECT
    count(*) AS n_rows,
    count(cosine) AS n_cosines,
    avg(cosine) AS cosine_mean,
    quantileExactInclusive(0.05)(cosine) AS cosine_p05,
    quantileExactInclusive(0.5)(cosine) AS cosine_p50,
    quantileExactInclusive(0.05)(norm_ratio) AS norm_ratio_p05,
    quantileExactInclusive(0.5)(norm_ratio) AS norm_ratio_p50
FROM (
    SELECT
        cosine,
        norm / nullif(reference_norm, 0) AS norm_ratio
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
                    arrayConcat(reference.x, [0E0]) AS y
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
) AS figures
