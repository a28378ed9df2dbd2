-- Dot products of the raw and of the written vectors, for all pairs of 300 users and 300 items.
SELECT
    count(raw_score - stable_score) AS n_pairs,
    max(abs(raw_score)) AS largest,
    max(abs(raw_score - stable_score)) AS largest_error
FROM (
    SELECT
        list_dot_product(u.x, i.x) AS raw_score,
        list_dot_product(u.s, i.s) AS stable_score
    FROM (
        SELECT
            r.x AS x,
            s.x AS s
        FROM (
            SELECT
                id,
                -- No row here has a NULL component, but the engine minds those of rows left out, or the type.
                list_transform(r.x, lambda v: coalesce(v, 0)) AS x
            FROM (
                SELECT
                    t."id" AS id,
                    CAST(t."v" AS DOUBLE[]) AS x
                FROM "users" AS t
            ) AS r
            WHERE
                id IS NOT NULL
                AND len(r.x) = 3
                AND NOT (list_count(r.x) <> len(r.x))
                AND isfinite(list_max(r.x)) AND isfinite(list_min(r.x))
                AND id NOT IN (
                    SELECT id
                    FROM (
                        SELECT t."id" AS id
                        FROM "users" AS t
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
                    list_transform(r.x, lambda v: coalesce(v, 0)) AS x
                FROM (
                    SELECT
                        t."id" AS id,
                        CAST(t."v" AS DOUBLE[]) AS x
                    FROM "users" AS t
                ) AS r
                WHERE
                    id IS NOT NULL
                    AND len(r.x) = 3
                    AND NOT (list_count(r.x) <> len(r.x))
                    AND isfinite(list_max(r.x)) AND isfinite(list_min(r.x))
                    AND id NOT IN (
                        SELECT id
                        FROM (
                            SELECT t."id" AS id
                            FROM "users" AS t
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
        SELECT
            r.x AS x,
            s.x AS s
        FROM (
            SELECT
                t."id" AS id,
                CAST(t."embedding" AS DOUBLE[]) AS x
            FROM "items" AS t
        ) AS r
        JOIN (
            -- Whichever rows come first: they are found without reading the whole table.
            SELECT *
            FROM (
                SELECT
                    t."id" AS id,
                    CAST(t."embedding" AS DOUBLE[]) AS x
                FROM "yesterday"."items" AS t
            ) AS some_rows
            LIMIT 300
        ) AS s USING (id)
    ) AS i
) AS scores
