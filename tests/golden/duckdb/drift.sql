-- Cosine of the same item in this run and in the reference: of the stable vectors (after), for all items that both runs have.
SELECT
    count(*) AS n_rows,
    avg(after) AS after_mean,
    quantile_cont(after, 0.1) AS after_p10,
    quantile_cont(after, 0.5) AS after_median
FROM (
    -- The cosine of a zero vector is undefined: NULL, which the figures leave out.
    SELECT
        (list_dot_product(s, p))
            / nullif(sqrt(list_dot_product(s, s)) * sqrt(list_dot_product(y, y)), 0) AS after
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
