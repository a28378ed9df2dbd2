-- Cosine of the same id in two runs, and its length in the run relative to the reference,
-- for a share of the items that both runs have, chosen by a hash of the id.
SELECT
    count(*) AS n_rows,
    count(cosine) AS n_cosines,
    avg(cosine) AS cosine_mean,
    quantileExactInclusive(0.5)(cosine) AS cosine_p50,
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
                        WHERE
                            (lower(hex(MD5(toString(t."id")))) < '80000000')
                    ) AS m
                ) AS run
                JOIN (
                    SELECT
                        id,
                        [
                            arrayDotProduct(x, [5.0000000000000000e-01, 2.5000000000000000e-01]),
                            arrayDotProduct(x, [0.0000000000000000e+00, -1.0000000000000000e+00]),
                            arrayDotProduct(x, [1.0000000000000000e+00, 0.0000000000000000e+00])
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
    ) AS c
) AS figures
