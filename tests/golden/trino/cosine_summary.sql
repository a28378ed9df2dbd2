-- Cosine of the same id in two runs, and its length in the run relative to the reference,
-- for all items that both runs have.
SELECT
    count(*) AS n_rows,
    count(cosine) AS n_cosines,
    avg(cosine) AS cosine_mean,
    element_at(array_sort(array_agg(cosine) FILTER (WHERE cosine IS NOT NULL)), 1 + CAST(floor(0.05 * (count(cosine) - 1)) AS integer)) AS cosine_p05,
    element_at(array_sort(array_agg(cosine) FILTER (WHERE cosine IS NOT NULL)), 1 + CAST(floor(0.5 * (count(cosine) - 1)) AS integer)) AS cosine_p50,
    element_at(array_sort(array_agg(norm_ratio) FILTER (WHERE norm_ratio IS NOT NULL)), 1 + CAST(floor(0.05 * (count(norm_ratio) - 1)) AS integer)) AS norm_ratio_p05,
    element_at(array_sort(array_agg(norm_ratio) FILTER (WHERE norm_ratio IS NOT NULL)), 1 + CAST(floor(0.5 * (count(norm_ratio) - 1)) AS integer)) AS norm_ratio_p50
FROM (
    SELECT
        cosine,
        norm / nullif(reference_norm, 0) AS norm_ratio
    FROM (
        SELECT
            id,
            (reduce(zip_with(x, y, (a, b) -> a * b), 0E0, (s, v) -> s + v, s -> s)) / nullif(norm * reference_norm, 0) AS cosine,
            norm,
            reference_norm
        FROM (
            SELECT
                pairs.*,
                sqrt(reduce(zip_with(pairs.x, pairs.x, (a, b) -> a * b), 0E0, (s, v) -> s + v, s -> s)) AS norm,
                sqrt(reduce(zip_with(pairs.y, pairs.y, (a, b) -> a * b), 0E0, (s, v) -> s + v, s -> s)) AS reference_norm
            FROM (
                SELECT
                    id,
                    run.x AS x,
                    reference.x || ARRAY[0E0] AS y
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
        ) AS measured
    ) AS c
) AS figures
