-- Dot products of the raw and of the written vectors, for all pairs of 300 users and 300 items.
SELECT
    count(raw_score - stable_score) AS n_pairs,
    max(abs(raw_score)) AS largest,
    max(abs(raw_score - stable_score)) AS largest_error
FROM (
    SELECT
        arrayDotProduct(u.x, i.x) AS raw_score,
        arrayDotProduct(u.s, i.s) AS stable_score
    FROM (
        SELECT
            r.x AS x,
            s.x AS s
        FROM (
            SELECT
                id,
                -- No row here has a NULL component, but the engine minds those of rows left out, or the type.
                arrayMap(v -> assumeNotNull(v), r.x) AS x
            FROM (
                SELECT
                    t."id" AS id,
                    arrayMap(v -> toFloat64(v), t."v") AS x
                FROM "users" AS t
            ) AS r
            WHERE
                id IS NOT NULL
                AND length(r.x) = 3
                AND NOT (arrayExists(v -> v IS NULL, r.x))
                AND arrayAll(v -> coalesce(isFinite(v), 1), r.x)
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
                    arrayMap(v -> assumeNotNull(v), r.x) AS x
                FROM (
                    SELECT
                        t."id" AS id,
                        arrayMap(v -> toFloat64(v), t."v") AS x
                    FROM "users" AS t
                ) AS r
                WHERE
                    id IS NOT NULL
                    AND length(r.x) = 3
                    AND NOT (arrayExists(v -> v IS NULL, r.x))
                    AND arrayAll(v -> coalesce(isFinite(v), 1), r.x)
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
                arrayMap(v -> assumeNotNull(v), arrayMap(v -> toFloat64(v), t."embedding")) AS x
            FROM "items" AS t
        ) AS r
        JOIN (
            -- Whichever rows come first: they are found without reading the whole table.
            SELECT *
            FROM (
                SELECT
                    t."id" AS id,
                    arrayMap(v -> assumeNotNull(v), arrayMap(v -> toFloat64(v), t."embedding")) AS x
                FROM "yesterday"."items" AS t
            ) AS some_rows
            LIMIT 300
        ) AS s USING (id)
    ) AS i
) AS scores
