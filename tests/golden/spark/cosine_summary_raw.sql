-- Cosine of the same id in two runs, and its length in the run relative to the reference,
-- for a share of the items that both runs have, chosen by a hash of the id.
SELECT
    count(*) AS n_rows,
    count(cosine) AS n_cosines,
    avg(cosine) AS cosine_mean,
    percentile(cosine, 0.5) AS cosine_p50,
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
                    reference.x AS y
                FROM (
                    SELECT
                        id,
                        transform(from_json('[
                            [5.0000000000000000e-01, 2.5000000000000000e-01, 0.0000000000000000e+00],
                            [0.0000000000000000e+00, -1.0000000000000000e+00, 2.0000000000000000e+00],
                            [1.0000000000000000e+00, 0.0000000000000000e+00, 9.9999999999999995e-21]
                        ]', 'array<array<double>>'), c -> aggregate(zip_with(c, x, (a, b) -> a * b), 0E0, (s, v) -> s + v)) AS x
                    FROM (
                        SELECT
                            id,
                            pinned.x AS x
                        FROM (
                            SELECT
                                t.`id` AS id,
                                CAST(t.`embedding` AS array<double>) AS x
                            FROM `items` AS t
                            WHERE
                                (md5(CAST(t.`id` AS string)) < '80000000')
                        ) AS p
                        LATERAL VIEW inline(array(struct(p.x))) pinned AS x
                    ) AS m
                ) AS run
                JOIN (
                    SELECT
                        id,
                        transform(from_json('[
                            [5.0000000000000000e-01, 2.5000000000000000e-01],
                            [0.0000000000000000e+00, -1.0000000000000000e+00],
                            [1.0000000000000000e+00, 0.0000000000000000e+00]
                        ]', 'array<array<double>>'), c -> aggregate(zip_with(c, x, (a, b) -> a * b), 0E0, (s, v) -> s + v)) AS x
                    FROM (
                        SELECT
                            id,
                            pinned.x AS x
                        FROM (
                            SELECT
                                t.`id` AS id,
                                CAST(t.`embedding` AS array<double>) AS x
                            FROM `yesterday`.`items` AS t
                        ) AS p
                        LATERAL VIEW inline(array(struct(p.x))) pinned AS x
                    ) AS m
                ) AS reference USING (id)
            ) AS pairs
        ) AS measured
    ) AS c
) AS figures
