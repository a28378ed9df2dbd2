-- Cosine of the same item in this run and in the reference: of the stable vectors (after) and
-- of the raw ones (before), for all items that both runs have.
SELECT
    count(*) AS n_rows,
    avg(after) AS after_mean,
    element_at(array_sort(array_agg(after) FILTER (WHERE after IS NOT NULL)), 1 + CAST(floor(0.1 * (count(after) - 1)) AS integer)) AS after_p10,
    element_at(array_sort(array_agg(after) FILTER (WHERE after IS NOT NULL)), 1 + CAST(floor(0.5 * (count(after) - 1)) AS integer)) AS after_median,
    avg(before) AS before_mean,
    element_at(array_sort(array_agg(before) FILTER (WHERE before IS NOT NULL)), 1 + CAST(floor(0.1 * (count(before) - 1)) AS integer)) AS before_p10,
    element_at(array_sort(array_agg(before) FILTER (WHERE before IS NOT NULL)), 1 + CAST(floor(0.5 * (count(before) - 1)) AS integer)) AS before_median,
    -- How many are in two ranges, which tell ids that mean something else and raw vectors that stayed.
    count(CASE WHEN after < 1.0000000000000001e-01 THEN 1 END) AS after_below,
    count(CASE WHEN after >= 1.0000000000000001e-01 AND after < 3.2500000000000001e-01 THEN 1 END) AS after_near,
    count(CASE WHEN before < 9.9999899999999997e-01 THEN 1 END) AS before_below,
    count(CASE WHEN before >= 9.9999899999999997e-01 AND before < 2.0000000000000000e+00 THEN 1 END) AS before_near
FROM (
    -- The cosine of a zero vector is undefined: NULL, which the figures leave out.
    SELECT
        (reduce(zip_with(x, z, (a, b) -> a * b), 0E0, (s, v) -> s + v, s -> s))
            / nullif(sqrt(reduce(zip_with(x, x, (a, b) -> a * b), 0E0, (s, v) -> s + v, s -> s)) * sqrt(reduce(zip_with(z, z, (a, b) -> a * b), 0E0, (s, v) -> s + v, s -> s)), 0) AS before,
        (reduce(zip_with(s, p, (a, b) -> a * b), 0E0, (s, v) -> s + v, s -> s))
            / nullif(sqrt(reduce(zip_with(s, s, (a, b) -> a * b), 0E0, (s, v) -> s + v, s -> s)) * sqrt(reduce(zip_with(y, y, (a, b) -> a * b), 0E0, (s, v) -> s + v, s -> s)), 0) AS after
    FROM (
        SELECT
            x,
            transform(ARRAY[
                ARRAY[5.0000000000000000e-01, 2.5000000000000000e-01],
                ARRAY[0.0000000000000000e+00, -1.0000000000000000e+00],
                ARRAY[1.0000000000000000e+00, 0.0000000000000000e+00]
            ], c -> reduce(zip_with(c, y, (a, b) -> a * b), 0E0, (s, v) -> s + v, s -> s)) AS z,
            transform(ARRAY[
                ARRAY[5.0000000000000000e-01, 2.5000000000000000e-01, 0.0000000000000000e+00],
                ARRAY[0.0000000000000000e+00, -1.0000000000000000e+00, 2.0000000000000000e+00],
                ARRAY[1.0000000000000000e+00, 0.0000000000000000e+00, 9.9999999999999995e-21]
            ], c -> reduce(zip_with(c, x, (a, b) -> a * b), 0E0, (s, v) -> s + v, s -> s)) AS s,
            y,
            y || ARRAY[0E0] AS p
        FROM (
            SELECT
                id,
                run.x AS x,
                reference.x AS y
            FROM (
                SELECT
                    t."id" AS id,
                    CAST(t."embedding" AS array(double)) AS x
                FROM "items" AS t
            ) AS run
            JOIN (
                SELECT
                    t."id" AS id,
                    CAST(t."embedding" AS array(double)) AS x
                FROM "yesterday"."items" AS t
            ) AS reference USING (id)
        ) AS pairs
    ) AS vectors
) AS cosines
