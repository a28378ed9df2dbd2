-- Sums of the components of the items, over the ids that both tables have.
SELECT
    i,
    sum(CAST(value AS double)) AS value,
    count(*) AS n_rows
FROM (
    SELECT
        r.id AS id,
        u.k - 1 + 1 AS i,
        u.v AS value
    FROM (
        SELECT
            id,
            transform(x, v -> v / divisor) AS x
        FROM (
            SELECT
                q.*,
                coalesce(nullif(sqrt(reduce(zip_with(q.x, q.x, (a, b) -> a * b), 0E0, (s, v) -> s + v, s -> s)), 0), 1) AS divisor
            FROM (
                SELECT
                    id,
                    transform(x, v -> v / divisor) AS x
                FROM (
                    SELECT
                        q.*,
                        coalesce(nullif(array_max(transform(q.x, v -> abs(v))), 0), 1) AS divisor
                    FROM (
                        SELECT
                            id,
                            zip_with(c.x, ARRAY[0.5E0, -1.0E0, 1E-20], (v, w) -> v - w) AS x
                        FROM (
                            SELECT
                                t."item_id" AS id,
                                CAST(ARRAY[t."e0", t."e1", t."e2"] AS array(double)) AS x
                            FROM "lake"."items" AS t
                        ) AS c
                    ) AS q
                ) AS n
            ) AS q
        ) AS n
    ) AS r
    CROSS JOIN UNNEST(r.x) WITH ORDINALITY AS u(v, k)
) AS components
JOIN (
    SELECT
        t."id" AS id
    FROM "yesterday"."items" AS t
) AS other USING (id)
GROUP BY i
ORDER BY i
