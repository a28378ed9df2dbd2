-- The mean of the users, of a share of the rows, chosen by a hash of the id.
SELECT
    count(*) AS n_rows,
    avg(x1) AS m1,
    avg(x2) AS m2,
    avg(x3) AS m3
FROM (
    SELECT
        id,
        toFloat64(x[1]) AS x1,
        toFloat64(x[2]) AS x2,
        toFloat64(x[3]) AS x3
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
            WHERE
                (lower(hex(MD5(toString(t."id")))) < '80000000')
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
                    WHERE
                        (lower(hex(MD5(toString(t."id")))) < '80000000')
                ) AS d
                WHERE id IS NOT NULL
                GROUP BY id
                HAVING count(*) > 1
            )
    ) AS v
) AS r
