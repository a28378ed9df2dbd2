-- The mean of the users, of a share of the rows, chosen by a hash of the id.
SELECT
    count(*) AS n_rows,
    avg(x1) AS m1,
    avg(x2) AS m2,
    avg(x3) AS m3
FROM (
    SELECT
        id,
        CAST(element_at(x, 1) AS double) AS x1,
        CAST(element_at(x, 2) AS double) AS x2,
        CAST(element_at(x, 3) AS double) AS x3
    FROM (
        SELECT
            id,
            -- No row here has a NULL component, but the engine minds those of rows left out, or the type.
            r.x AS x
        FROM (
            SELECT
                t."id" AS id,
                CAST(t."v" AS array(double)) AS x
            FROM "users" AS t
            WHERE
                (lower(to_hex(md5(to_utf8(CAST(t."id" AS varchar))))) < '80000000')
        ) AS r
        WHERE
            id IS NOT NULL
            AND cardinality(r.x) = 3
            AND NOT (any_match(r.x, v -> v IS NULL))
            AND none_match(r.x, v -> NOT is_finite(v))
            AND id NOT IN (
                SELECT id
                FROM (
                    SELECT t."id" AS id
                    FROM "users" AS t
                    WHERE
                        (lower(to_hex(md5(to_utf8(CAST(t."id" AS varchar))))) < '80000000')
                ) AS d
                WHERE id IS NOT NULL
                GROUP BY id
                HAVING count(*) > 1
            )
    ) AS v
) AS r
