-- What can be wrong with the vectors of the users that have 3 components, and how many are zeros.
SELECT
    count(CASE WHEN x1 IS NULL OR x2 IS NULL OR x3 IS NULL THEN 1 END) AS null_components,
    count(CASE WHEN NOT ((x1 - x1) + (x2 - x2) + (x3 - x3) = 0) THEN 1 END) AS non_finite,
    count(CASE WHEN x1 = 0 AND x2 = 0 AND x3 = 0 THEN 1 END) AS zeros
FROM (
    SELECT
        id,
        CAST(x[1] AS double precision) AS x1,
        CAST(x[2] AS double precision) AS x2,
        CAST(x[3] AS double precision) AS x3
    FROM (
        SELECT
            id,
            (x)[1:3] AS x
        FROM (
            SELECT
                t."id" AS id,
                -- NULL where a dimension is missing or stands twice.
                CASE
                    WHEN count(DISTINCT t."dim") = count(*)
                        AND max(t."dim") - min(t."dim") + 1 = count(*)
                        AND min(t."dim") = 0
                    THEN array_agg(CAST(t."value" AS double precision) ORDER BY t."dim")
                END AS x
            FROM "lake"."users" AS t
            GROUP BY t."id"
        ) AS whole
        WHERE cardinality(x) = 3
        OFFSET 0
    ) AS v
    OFFSET 0
) AS r
