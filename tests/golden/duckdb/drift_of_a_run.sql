-- Cosine of the same item in this run and in the reference: of the stable vectors (after) and
-- of the raw ones (before), for all items that both runs have.
SELECT
    count(*) AS n_rows,
    avg(after) AS after_mean,
    quantile_cont(after, 0.1) AS after_p10,
    quantile_cont(after, 0.5) AS after_median,
    avg(before) AS before_mean,
    quantile_cont(before, 0.1) AS before_p10,
    quantile_cont(before, 0.5) AS before_median,
    -- How many are in two ranges, which tell ids that mean something else and raw vectors that stayed.
    count(CASE WHEN after < 1.0000000000000001e-01 THEN 1 END) AS after_below,
    count(CASE WHEN after >= 1.0000000000000001e-01 AND after < 3.2500000000000001e-01 THEN 1 END) AS after_near,
    count(CASE WHEN before < 9.9999899999999997e-01 THEN 1 END) AS before_below,
    count(CASE WHEN before >= 9.9999899999999997e-01 AND before < 2.0000000000000000e+00 THEN 1 END) AS before_near
FROM (
    -- The cosine of a zero vector is undefined: NULL, which the figures leave out.
    SELECT
        (list_dot_product(x, z))
            / nullif(sqrt(list_dot_product(x, x)) * sqrt(list_dot_product(z, z)), 0) AS before,
        (list_dot_product(s, p))
            / nullif(sqrt(list_dot_product(s, s)) * sqrt(list_dot_product(y, y)), 0) AS after
    FROM (
        SELECT
            x,
            list_transform([
                [5.0000000000000000e-01, 2.5000000000000000e-01],
                [0.0000000000000000e+00, -1.0000000000000000e+00],
                [1.0000000000000000e+00, 0.0000000000000000e+00]
            ], lambda c: list_dot_product(c, y)) AS z,
            list_transform([
                [5.0000000000000000e-01, 2.5000000000000000e-01, 0.0000000000000000e+00],
                [0.0000000000000000e+00, -1.0000000000000000e+00, 2.0000000000000000e+00],
                [1.0000000000000000e+00, 0.0000000000000000e+00, 9.9999999999999995e-21]
            ], lambda c: list_dot_product(c, x)) AS s,
            y,
            list_concat(y, [0E0]) AS p
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
    ) AS vectors
) AS cosines
