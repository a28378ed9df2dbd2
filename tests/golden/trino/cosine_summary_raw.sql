-- Cosine of the same id in two runs, and its length in the run relative to the reference,
-- for a share of the items that both runs have, chosen by a hash of the id.
SELECT
    count(*) AS n_rows,
    count(cosine) AS n_cosines,
    avg(cosine) AS cosine_mean,
    element_at(array_sort(array_agg(cosine) FILTER (WHERE cosine IS NOT NULL)), 1 + CAST(floor(0.5 * (count(cosine) - 1)) AS integer)) AS cosine_p50,
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
                    reference.x AS y
                FROM (
                    SELECT
                        id,
                        transform(ARRAY[
                            ARRAY[5.0000000000000000e-01, 2.5000000000000000e-01, 0.0000000000000000e+00],
                            ARRAY[0.0000000000000000e+00, -1.0000000000000000e+00, 2.0000000000000000e+00],
                            ARRAY[1.0000000000000000e+00, 0.0000000000000000e+00, 9.9999999999999995e-21]
                        ], c -> reduce(zip_with(c, x, (a, b) -> a * b), 0E0, (s, v) -> s + v, s -> s)) AS x
                    FROM (
                        SELECT
                            t."id" AS id,
                            CAST(t."embedding" AS array(double)) AS x
                        FROM "items" AS t
                        WHERE
                            (lower(to_hex(md5(to_utf8(CAST(t."id" AS varchar))))) < '80000000')
                    ) AS m
                ) AS run
                JOIN (
                    SELECT
                        id,
                        transform(ARRAY[
                            ARRAY[5.0000000000000000e-01, 2.5000000000000000e-01],
                            ARRAY[0.0000000000000000e+00, -1.0000000000000000e+00],
                            ARRAY[1.0000000000000000e+00, 0.0000000000000000e+00]
                        ], c -> reduce(zip_with(c, x, (a, b) -> a * b), 0E0, (s, v) -> s + v, s -> s)) AS x
                    FROM (
                        SELECT
                            t."id" AS id,
                            CAST(t."embedding" AS array(double)) AS x
                        FROM "yesterday"."items" AS t
                    ) AS m
                ) AS reference USING (id)
            ) AS pairs
        ) AS measured
    ) AS c
) AS figures
