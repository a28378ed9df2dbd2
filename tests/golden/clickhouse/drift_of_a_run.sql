-- Cosine of the same item in this run and in the reference: of the stable vectors (after) and
-- of the raw ones (before), for all items that both runs have.
SELECT
    count(*) AS n_rows,
    avg(after) AS after_mean,
    quantileExactInclusive(0.1)(after) AS after_p10,
    quantileExactInclusive(0.5)(after) AS after_median,
    avg(before) AS before_mean,
    quantileExactInclusive(0.1)(before) AS before_p10,
    quantileExactInclusive(0.5)(before) AS before_median,
    -- How many are in two ranges, which tell ids that mean something else and raw vectors that stayed.
    count(CASE WHEN after < 1.0000000000000001e-01 THEN 1 END) AS after_below,
    count(CASE WHEN after >= 1.0000000000000001e-01 AND after < 3.2500000000000001e-01 THEN 1 END) AS after_near,
    count(CASE WHEN before < 9.9999899999999997e-01 THEN 1 END) AS before_below,
    count(CASE WHEN before >= 9.9999899999999997e-01 AND before < 2.0000000000000000e+00 THEN 1 END) AS before_near
FROM (
    -- The cosine of a zero vector is undefined: NULL, which the figures leave out.
    SELECT
        (arrayDotProduct(x, z))
            / nullif(sqrt(arrayDotProduct(x, x)) * sqrt(arrayDotProduct(z, z)), 0) AS before,
        (arrayDotProduct(s, p))
            / nullif(sqrt(arrayDotProduct(s, s)) * sqrt(arrayDotProduct(y, y)), 0) AS after
    FROM (
        SELECT
            x,
            [
                arrayDotProduct(y, [5.0000000000000000e-01, 2.5000000000000000e-01]),
                arrayDotProduct(y, [0.0000000000000000e+00, -1.0000000000000000e+00]),
                arrayDotProduct(y, [1.0000000000000000e+00, 0.0000000000000000e+00])
            ] AS z,
            [
                arrayDotProduct(x, [5.0000000000000000e-01, 2.5000000000000000e-01, 0.0000000000000000e+00]),
                arrayDotProduct(x, [0.0000000000000000e+00, -1.0000000000000000e+00, 2.0000000000000000e+00]),
                arrayDotProduct(x, [1.0000000000000000e+00, 0.0000000000000000e+00, 9.9999999999999995e-21])
            ] AS s,
            y,
            arrayConcat(y, [0E0]) AS p
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
    ) AS vectors
) AS cosines
