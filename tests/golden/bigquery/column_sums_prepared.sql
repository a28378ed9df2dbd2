-- Sums of the components of the items, over the ids that both tables have.
SELECT
    i,
    sum(CAST(value AS FLOAT64)) AS value,
    count(*) AS n_rows
FROM (
    SELECT
        r.id AS id,
        k + 1 AS i,
        v AS value
    FROM (
        SELECT
            id,
            [x1, x2, x3] AS x
        FROM (
            SELECT
                id,
                x1 / divisor AS x1,
                x2 / divisor AS x2,
                x3 / divisor AS x3
            FROM (
                SELECT
                    q.*,
                    coalesce(nullif(sqrt(q.x1 * q.x1 + q.x2 * q.x2 + q.x3 * q.x3), 0), 1) AS divisor
                FROM (
                    SELECT
                        id,
                        x1 / divisor AS x1,
                        x2 / divisor AS x2,
                        x3 / divisor AS x3
                    FROM (
                        SELECT
                            q.*,
                            coalesce(nullif(greatest(abs(q.x1), abs(q.x2), abs(q.x3)), 0), 1) AS divisor
                        FROM (
                            SELECT
                                id,
                                c.x1 - 0.5E0 AS x1,
                                c.x2 - -1.0E0 AS x2,
                                c.x3 - 1E-20 AS x3
                            FROM (
                                SELECT
                                    t.`item_id` AS id,
                                    CAST(t.`e0` AS FLOAT64) AS x1,
                                    CAST(t.`e1` AS FLOAT64) AS x2,
                                    CAST(t.`e2` AS FLOAT64) AS x3
                                FROM `lake`.`items` AS t
                            ) AS c
                        ) AS q
                    ) AS n
                ) AS q
            ) AS n
        ) AS products
    ) AS r
    CROSS JOIN UNNEST(r.x) AS v WITH OFFSET AS k
) AS components
JOIN (
    SELECT
        t.`id` AS id
    FROM `yesterday`.`items` AS t
) AS other USING (id)
GROUP BY i
ORDER BY i
