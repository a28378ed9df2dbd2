-- Dot products of the raw and of the written vectors, for all pairs of 300 users and 300 items.
SELECT
    count(raw_score - stable_score) AS n_pairs,
    max(abs(raw_score)) AS largest,
    max(abs(raw_score - stable_score)) AS largest_error
FROM (
    SELECT
        pinned.raw_score AS raw_score,
        pinned.stable_score AS stable_score
    FROM (
        SELECT /*+ BROADCAST(i) */
            aggregate(zip_with(u.x, i.x, (a, b) -> a * b), 0E0, (s, v) -> s + v) AS raw_score,
            aggregate(zip_with(u.s, i.s, (a, b) -> a * b), 0E0, (s, v) -> s + v) AS stable_score
        FROM (
            SELECT /*+ BROADCAST(s) */
                r.x AS x,
                s.x AS s
            FROM (
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
            ) AS r
            JOIN (
                -- Whichever rows come first: they are found without reading the whole table.
                SELECT *
                FROM (
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
                ) AS some_rows
                LIMIT 300
            ) AS s USING (id)
        ) AS u
        CROSS JOIN (
            SELECT /*+ BROADCAST(s) */
                r.x AS x,
                s.x AS s
            FROM (
                SELECT
                    t.`id` AS id,
                    CAST(t.`embedding` AS array<double>) AS x
                FROM `items` AS t
            ) AS r
            JOIN (
                -- Whichever rows come first: they are found without reading the whole table.
                SELECT *
                FROM (
                    SELECT
                        t.`id` AS id,
                        CAST(t.`embedding` AS array<double>) AS x
                    FROM `yesterday`.`items` AS t
                ) AS some_rows
                LIMIT 300
            ) AS s USING (id)
        ) AS i
    ) AS p
    LATERAL VIEW inline(array(struct(p.raw_score, p.stable_score))) pinned AS raw_score, stable_score
) AS scores
