-- The vectors of the users.
SELECT
    x
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
