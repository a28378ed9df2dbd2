-- How many cosines of the same id in two runs are in each of 40 bins from -1 to 1, counted from 0,
-- for all users that both runs have.
SELECT
    bin,
    count(*) AS n_rows
FROM (
    -- The last bin includes 1; rounding may lead beyond either end.
    SELECT CAST(least(greatest(floor((cosine + 1) * 2.0000000000000000e+01), 0), 39) AS int) AS bin
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
                        -- NULL where a dimension is missing or stands twice.
                        CASE
                            WHEN array_size(array_distinct(collect_list(t.`dim`))) = count(*)
                                AND max(t.`dim`) - min(t.`dim`) + 1 = count(*)
                                AND min(t.`dim`) = 0
                            THEN transform(array_sort(collect_list(struct(t.`dim` AS d, CAST(t.`value` AS double) AS v))), s -> s.v)
                        END AS x
                    FROM `lake`.`users` AS t
                    GROUP BY t.`id`
                ) AS run
                JOIN (
                    SELECT
                        id,
                        -- No row here has a NULL component, but the engine minds those of rows left out, or the type.
                        r.x AS x
                    FROM (
                        SELECT
                            t.`id` AS id,
                            CAST(t.`v` AS array<double>) AS x
                        FROM `users` AS t
                    ) AS r
                    WHERE
                        id IS NOT NULL
                        AND array_size(r.x) = 3
                        AND NOT (exists(r.x, v -> v IS NULL))
                        AND NOT exists(r.x, v -> v - v <> 0)
                        AND id NOT IN (
                            SELECT id
                            FROM (
                                SELECT t.`id` AS id
                                FROM `users` AS t
                            ) AS d
                            WHERE id IS NOT NULL
                            GROUP BY id
                            HAVING count(*) > 1
                        )
                ) AS reference USING (id)
            ) AS pairs
        ) AS measured
    ) AS c
    WHERE cosine IS NOT NULL
) AS binned
GROUP BY bin
ORDER BY bin
