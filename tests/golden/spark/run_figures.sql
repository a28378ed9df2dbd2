-- The figures of this run.
SELECT
    name,
    value
FROM `solution` AS s
WHERE name IN ('rank')
UNION ALL
SELECT
    'singular_value_' || CAST(s.i AS string) AS name,
    s.value AS value
FROM `solution` AS s
WHERE s.name = 'singular_values'
UNION ALL
SELECT
    'cosine_items_' || figure AS name,
    CASE figure WHEN 'rows' THEN CAST(n_rows AS double) WHEN 'mean' THEN after_mean WHEN 'p10' THEN after_p10 ELSE after_median END AS value
FROM (
    -- Cosine of the same item in this run and in the reference: of the stable vectors (after), for all items that both runs have.
    SELECT
        count(*) AS n_rows,
        avg(after) AS after_mean,
        percentile(after, 0.1) AS after_p10,
        percentile(after, 0.5) AS after_median
    FROM (
        -- The cosine of a zero vector is undefined: NULL, which the figures leave out.
        SELECT
            (aggregate(zip_with(s, p, (a, b) -> a * b), 0E0, (s, v) -> s + v))
                / nullif(sqrt(aggregate(zip_with(s, s, (a, b) -> a * b), 0E0, (s, v) -> s + v)) * sqrt(aggregate(zip_with(y, y, (a, b) -> a * b), 0E0, (s, v) -> s + v)), 0) AS after
        FROM (
            SELECT
                pinned.s AS s,
                pinned.y AS y,
                pinned.p AS p
            FROM (
                SELECT
                    x AS s,
                    y,
                    y AS p
                FROM (
                    SELECT
                        pinned.x AS x,
                        pinned.y AS y
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
                    ) AS p
                    LATERAL VIEW inline(array(struct(p.x, p.y))) pinned AS x, y
                ) AS pairs
            ) AS p
            LATERAL VIEW inline(array(struct(p.s, p.y, p.p))) pinned AS s, y, p
        ) AS vectors
    ) AS cosines
) AS drift
CROSS JOIN (
    SELECT 'rows' AS figure UNION ALL SELECT 'mean' UNION ALL SELECT 'p10' UNION ALL SELECT 'median'
) AS figures
UNION ALL
SELECT
    'shared_items' AS name,
    CAST(shared AS double) AS value
FROM (
    -- How many items this run and the reference share.
    SELECT
        count(*) AS shared
    FROM (
        SELECT
            t.`id` AS id
        FROM `items` AS t
    ) AS run
    WHERE id IN (
        SELECT
            t.`id` AS id
        FROM `yesterday`.`items` AS t
    )
) AS shared_ids
UNION ALL
SELECT
    figure AS name,
    CASE figure WHEN 'score_pairs' THEN CAST(n_pairs AS double) ELSE largest_error / nullif(largest, 0) END AS value
FROM (
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
) AS scores
CROSS JOIN (
    SELECT 'score_pairs' AS figure UNION ALL SELECT 'max_relative_error'
) AS figures
