-- The items times a matrix, made unit vectors; only those that may align.
SELECT
    id,
    arrayMap(v -> v / divisor, x) AS x,
    w
FROM (
    SELECT
        q.*,
        coalesce(nullif(sqrt(arrayDotProduct(q.x, q.x)), 0), 1) AS divisor
    FROM (
        SELECT
            id,
            arrayMap(v -> v / divisor, x) AS x,
            w
        FROM (
            SELECT
                q.*,
                coalesce(nullif(arrayMax(arrayMap(v -> abs(v), q.x)), 0), 1) AS divisor
            FROM (
                SELECT
                    id,
                    [
                        arrayDotProduct(x, [5.0000000000000000e-01, 2.5000000000000000e-01, 0.0000000000000000e+00]),
                        arrayDotProduct(x, [0.0000000000000000e+00, -1.0000000000000000e+00, 2.0000000000000000e+00]),
                        arrayDotProduct(x, [1.0000000000000000e+00, 0.0000000000000000e+00, 9.9999999999999995e-21])
                    ] AS x,
                    w
                FROM (
                    SELECT
                        t."id" AS id,
                        arrayMap(v -> assumeNotNull(v), arrayMap(v -> toFloat64(v), t."embedding")) AS x,
                        toFloat64(t."n_ratings") AS w
                    FROM "items" AS t
                    WHERE
                        (t.year > 1990)
                        AND (t.n_ratings >= 20)
                ) AS m
            ) AS q
        ) AS n
    ) AS q
) AS n
