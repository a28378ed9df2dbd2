-- Cosine of the same item in this run and in the reference: of the stable vectors (after), for all items that both runs have.
SELECT
    count(*) AS n_rows,
    avg(after) AS after_mean,
    element_at(array_sort(array_agg(after) FILTER (WHERE after IS NOT NULL)), 1 + CAST(floor(0.1 * (count(after) - 1)) AS integer)) AS after_p10,
    element_at(array_sort(array_agg(after) FILTER (WHERE after IS NOT NULL)), 1 + CAST(floor(0.5 * (count(after) - 1)) AS integer)) AS after_median
FROM (
    -- The cosine of a zero vector is undefined: NULL, which the figures leave out.
    SELECT
        (reduce(zip_with(s, p, (a, b) -> a * b), 0E0, (s, v) -> s + v, s -> s))
            / nullif(sqrt(reduce(zip_with(s, s, (a, b) -> a * b), 0E0, (s, v) -> s + v, s -> s)) * sqrt(reduce(zip_with(y, y, (a, b) -> a * b), 0E0, (s, v) -> s + v, s -> s)), 0) AS after
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
