-- Scores from the raw and from the written vectors, for all pairs of 300 users and 300 items.
SELECT
    count(*) AS n_pairs,
    max(abs(raw_score)) AS largest,
    max(abs(raw_score - stable_score)) AS largest_error
FROM (
    SELECT
        list_dot_product(u.x, i.x) AS raw_score,
        list_dot_product(u.s, i.s) AS stable_score
    FROM (
        SELECT
            raw.x AS x,
            stable.x AS s
        FROM (
            -- No row here has a NULL component; but DuckDB's dot product minds those of rows left out.
            SELECT * REPLACE (list_transform(x, lambda v: coalesce(v, 0)) AS x)
            FROM (
                SELECT
                    t."id" AS id,
                    CAST(t."v" AS DOUBLE[]) AS x
                FROM "users" AS t
            ) AS v
            WHERE
                id IS NOT NULL
                AND len(x) = 3
                AND list_count(x) = 3
                AND isfinite(list_max(x)) AND isfinite(list_min(x))
                AND id NOT IN (
                    SELECT id
                    FROM (
                        SELECT t."id" AS id
                        FROM "users" AS t
                    ) AS ids
                    WHERE id IS NOT NULL
                    GROUP BY id
                    HAVING count(*) > 1
                )
        ) AS raw
        JOIN (
            -- Whichever rows come first: they are found without reading the whole table.
            SELECT *
            FROM (
                -- No row here has a NULL component; but DuckDB's dot product minds those of rows left out.
                SELECT * REPLACE (list_transform(x, lambda v: coalesce(v, 0)) AS x)
                FROM (
                    SELECT
                        t."id" AS id,
                        CAST(t."v" AS DOUBLE[]) AS x
                    FROM "users" AS t
                ) AS v
                WHERE
                    id IS NOT NULL
                    AND len(x) = 3
                    AND list_count(x) = 3
                    AND isfinite(list_max(x)) AND isfinite(list_min(x))
                    AND id NOT IN (
                        SELECT id
                        FROM (
                            SELECT t."id" AS id
                            FROM "users" AS t
                        ) AS ids
                        WHERE id IS NOT NULL
                        GROUP BY id
                        HAVING count(*) > 1
                    )
            ) AS r
            LIMIT 300
        ) AS stable USING (id)
    ) AS u
    CROSS JOIN (
        SELECT
            raw.x AS x,
            stable.x AS s
        FROM (
            SELECT
                t."id" AS id,
                CAST(t."embedding" AS DOUBLE[]) AS x
            FROM "items" AS t
        ) AS raw
        JOIN (
            -- Whichever rows come first: they are found without reading the whole table.
            SELECT *
            FROM (
                SELECT
                    t."id" AS id,
                    CAST(t."embedding" AS DOUBLE[]) AS x
                FROM read_parquet('yesterday/items.parquet') AS t
            ) AS r
            LIMIT 300
        ) AS stable USING (id)
    ) AS i
) AS scores
