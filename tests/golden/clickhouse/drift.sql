-- Cosine of the same item in this run and in the reference: of the stable vectors (after), for all items that both runs have.
SELECT
    count(*) AS n_rows,
    avg(after) AS after_mean,
    quantileExactInclusive(0.1)(after) AS after_p10,
    quantileExactInclusive(0.5)(after) AS after_median
FROM (
    -- The cosine of a zero vector is undefined: NULL, which the figures leave out.
    SELECT
        (arrayDotProduct(s, p))
            / nullif(sqrt(arrayDotProduct(s, s)) * sqrt(arrayDotProduct(y, y)), 0) AS after
    FROM (
        SELECT
            x AS s,
            y,
            y AS p
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
