-- Sums of the components of the items, over the ids that both tables have.
SELECT
    i,
    sum(toFloat64(value)) AS value,
    count(*) AS n_rows
FROM (
    SELECT
        r.id AS id,
        sqlstab_k - 1 + 1 AS i,
        sqlstab_v AS value
    FROM (
        SELECT
            id,
            arrayMap(v -> v / divisor, x) AS x
        FROM (
            SELECT
                q.*,
                coalesce(nullif(sqrt(arrayDotProduct(q.x, q.x)), 0), 1) AS divisor
            FROM (
                SELECT
                    id,
                    arrayMap(v -> v / divisor, x) AS x
                FROM (
                    SELECT
                        q.*,
                        coalesce(nullif(arrayMax(arrayMap(v -> abs(v), q.x)), 0), 1) AS divisor
                    FROM (
                        SELECT
                            id,
                            arrayMap((v, w) -> v - w, c.x, [0.5E0, -1.0E0, 1E-20]) AS x
                        FROM (
                            SELECT
                                t."item_id" AS id,
                                arrayMap(v -> assumeNotNull(v), arrayMap(v -> toFloat64(v), [t."e0", t."e1", t."e2"])) AS x
                            FROM "lake"."items" AS t
                        ) AS c
                    ) AS q
                ) AS n
            ) AS q
        ) AS n
    ) AS r
    ARRAY JOIN r.x AS sqlstab_v, arrayEnumerate(r.x) AS sqlstab_k
) AS components
JOIN (
    SELECT
        t."id" AS id
    FROM "yesterday"."items" AS t
) AS other USING (id)
GROUP BY i
ORDER BY i
