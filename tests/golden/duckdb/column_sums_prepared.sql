-- Sums of the components of the items, over the ids that both tables have.
SELECT
    i,
    sum(CAST(value AS DOUBLE)) AS value,
    count(*) AS n_rows
FROM (
    SELECT
        r.id AS id,
        unnest(range(3)) + 1 AS i,
        unnest(r.x) AS value
    FROM (
        SELECT
            id,
            list_transform(x, lambda v: v / divisor) AS x
        FROM (
            SELECT
                q.*,
                coalesce(nullif(sqrt(list_dot_product(q.x, q.x)), 0), 1) AS divisor
            FROM (
                SELECT
                    id,
                    list_transform(x, lambda v: v / divisor) AS x
                FROM (
                    SELECT
                        q.*,
                        coalesce(nullif(list_max(list_transform(q.x, lambda v: abs(v))), 0), 1) AS divisor
                    FROM (
                        SELECT
                            id,
                            list_transform(list_zip(c.x, [0.5E0, -1.0E0, 1E-20]), lambda p: p[1] - p[2]) AS x
                        FROM (
                            SELECT
                                t."item_id" AS id,
                                CAST([t."e0", t."e1", t."e2"] AS DOUBLE[]) AS x
                            FROM "lake"."items" AS t
                        ) AS c
                    ) AS q
                ) AS n
            ) AS q
        ) AS n
    ) AS r
) AS components
JOIN (
    SELECT
        t."id" AS id
    FROM "yesterday"."items" AS t
) AS other USING (id)
GROUP BY i
ORDER BY i
