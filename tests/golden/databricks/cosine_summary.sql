-- Cosine of the same id in two runs, and its length in the run relative to the reference,
-- for all items that both runs have.
SELECT
    count(*) AS n_rows,
    count(cosine) AS n_cosines,
    avg(cosine) AS cosine_mean,
    percentile(cosine, 0.05) AS cosine_p05,
    percentile(cosine, 0.5) AS cosine_p50,
    percentile(norm_ratio, 0.05) AS norm_ratio_p05,
    percentile(norm_ratio, 0.5) AS norm_ratio_p50
FROM (
    SELECT
        cosine,
        norm / nullif(reference_norm, 0) AS norm_ratio
    FROM (
        SELECT
            id,
            (aggregate(zip_with(x, y, (a, b) -> a * b), 0E0, (s, v) -> s + v)) / nullif(norm * reference_norm, 0) AS cosine,
            norm,
            reference_norm
        FROM (
            SELECT
                pairs.*,
                sqrt(aggregate(zip_with(pairs.x, pairs.x, (a, b) -> a * b), 0E0, (s, v) -> s + v)) AS norm,
                sqrt(aggregate(zip_with(pairs.y, pairs.y, (a, b) -> a * b), 0E0, (s, v) -> s + v)) AS reference_norm
            FROM (
                SELECT
                    id,
                    run.x AS x,
                    concat(reference.x, array(0E0)) AS y
                FROM (
                    SELECT
                        t.`id` AS id,
                        CAST(t.`embedding` AS array<double>) AS x
                    FROM `items` AS t
                ) AS run
                JOIN (
                    SELECT
                        t.`id` AS id,
                        CAST(t.`embedding` AS array<double>) AS x
                    FROM `yesterday`.`items` AS t
                ) AS reference USING (id)
            ) AS pairs
        ) AS measured
    ) AS c
) AS figures
