-- The vectors of the 60 ids that are longest in the reference, of all items that both runs have.
SELECT
    CAST(v.id AS string) AS vector_id,
    v.x1 AS x1,
    v.x2 AS x2,
    v.x3 AS x3
FROM (
    SELECT
        id,
        CAST(get(x, 1 - 1) AS double) AS x1,
        CAST(get(x, 2 - 1) AS double) AS x2,
        CAST(get(x, 3 - 1) AS double) AS x3
    FROM (
        SELECT
            t.`id` AS id,
            t.`embedding` AS x
        FROM `yesterday`.`items` AS t
    ) AS v
) AS v
JOIN (
    SELECT
        id,
        reference_norm
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
    ORDER BY
        reference_norm DESC,
        id
    LIMIT 60
) AS longest ON longest.id = v.id
ORDER BY
    longest.reference_norm DESC,
    longest.id
