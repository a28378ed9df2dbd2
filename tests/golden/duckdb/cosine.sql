-- Cosine of the same item in this run and in the reference: of the stable vectors (after) and
-- of the raw ones (before), for one shared id in 40, chosen by a hash of the id.
WITH pairs AS (
    SELECT
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
        FROM read_parquet('yesterday/items.parquet') AS t
    ) AS reference USING (id)
    WHERE hash(run.id) % 40 = 0 AND hash(reference.id) % 40 = 0
),
-- The cosine of a zero vector is undefined: NaN, which the figures leave out.
cosines AS (
    SELECT
        nullif(
            list_cosine_similarity(
                x,
                list_transform([
                        [0.5E0, 0.0E0, 1.0E0],
                        [0.25E0, -1.0E0, 0.0E0],
                        [0.0E0, 2.0E0, 1E-20]
                    ], lambda c: list_dot_product(c, y))
            ),
            CAST('NaN' AS DOUBLE)
        ) AS before,
        nullif(
            list_cosine_similarity(
                list_transform([
                        [0.5E0, 0.25E0, 0.0E0],
                        [0.0E0, -1.0E0, 2.0E0],
                        [1.0E0, 0.0E0, 1E-20]
                    ], lambda c: list_dot_product(c, x)),
                list_resize(y, 3, 0)
            ),
            CAST('NaN' AS DOUBLE)
        ) AS after
    FROM pairs
)
SELECT
    count(*) AS n_rows,
    avg(after) AS after_mean,
    quantile_cont(after, 0.1) AS after_p10,
    quantile_cont(after, 0.5) AS after_median,
    avg(before) AS before_mean,
    quantile_cont(before, 0.1) AS before_p10,
    quantile_cont(before, 0.5) AS before_median
FROM cosines
