-- The 10 nearest neighbours of some ids by dot product, among all items that both runs have:
-- how many in the run, how many of them in the reference too, and how many of the reference's are found
-- when the run's vector is looked up among the reference's.
SELECT
    sum(CASE WHEN run_rank <= 10 THEN 1 ELSE 0 END) AS n_neighbours,
    sum(CASE WHEN run_rank <= 10 AND reference_rank <= 10 THEN 1 ELSE 0 END) AS n_both,
    sum(CASE WHEN index_rank <= 10 AND reference_rank <= 10 THEN 1 ELSE 0 END) AS n_found
FROM (
    SELECT
        row_number() OVER (PARTITION BY query_id ORDER BY run_score DESC, id) AS run_rank,
        row_number() OVER (PARTITION BY query_id ORDER BY reference_score DESC, id) AS reference_rank,
        row_number() OVER (PARTITION BY query_id ORDER BY index_score DESC, id) AS index_rank
    FROM (
        SELECT /*+ BROADCAST(q) */
            q.id AS query_id,
            c.id AS id,
            aggregate(zip_with(q.x, c.x, (a, b) -> a * b), 0E0, (s, v) -> s + v) AS run_score,
            aggregate(zip_with(q.y, c.y, (a, b) -> a * b), 0E0, (s, v) -> s + v) AS reference_score,
            aggregate(zip_with(q.x, c.y, (a, b) -> a * b), 0E0, (s, v) -> s + v) AS index_score
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
                        t.`item_id` AS id,
                        CAST(array(t.`e0`, t.`e1`, t.`e2`) AS array<double>) AS x
                    FROM `lake`.`items` AS t
                    WHERE
                        (md5(CAST(t.`item_id` AS string)) < '028f5c29')
                ) AS run
                JOIN (
                    SELECT
                        t.`id` AS id,
                        CAST(t.`embedding` AS array<double>) AS x
                    FROM `yesterday`.`items` AS t
                    WHERE
                        (md5(CAST(t.`id` AS string)) < '028f5c29')
                ) AS reference USING (id)
            ) AS pairs
        ) AS q
        CROSS JOIN (
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
                        t.`item_id` AS id,
                        CAST(array(t.`e0`, t.`e1`, t.`e2`) AS array<double>) AS x
                    FROM `lake`.`items` AS t
                ) AS run
                JOIN (
                    SELECT
                        t.`id` AS id,
                        CAST(t.`embedding` AS array<double>) AS x
                    FROM `yesterday`.`items` AS t
                ) AS reference USING (id)
            ) AS pairs
        ) AS c
    ) AS scores
    WHERE
        query_id <> id
        -- A zero vector has no cosine.
        AND run_score IS NOT NULL
        AND reference_score IS NOT NULL
        AND index_score IS NOT NULL
) AS ranks
