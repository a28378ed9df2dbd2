-- The items times a matrix, made unit vectors; only those that may align.
SELECT
    id,
    transform(x, v -> v / divisor) AS x,
    w
FROM (
    SELECT
        q.*,
        coalesce(nullif(sqrt(reduce(zip_with(q.x, q.x, (a, b) -> a * b), 0E0, (s, v) -> s + v, s -> s)), 0), 1) AS divisor
    FROM (
        SELECT
            id,
            transform(x, v -> v / divisor) AS x,
            w
        FROM (
            SELECT
                q.*,
                coalesce(nullif(array_max(transform(q.x, v -> abs(v))), 0), 1) AS divisor
            FROM (
                SELECT
                    id,
                    transform(ARRAY[
                        ARRAY[5.0000000000000000e-01, 2.5000000000000000e-01, 0.0000000000000000e+00],
                        ARRAY[0.0000000000000000e+00, -1.0000000000000000e+00, 2.0000000000000000e+00],
                        ARRAY[1.0000000000000000e+00, 0.0000000000000000e+00, 9.9999999999999995e-21]
                    ], c -> reduce(zip_with(c, x, (a, b) -> a * b), 0E0, (s, v) -> s + v, s -> s)) AS x,
                    w
                FROM (
                    SELECT
                        t."id" AS id,
                        CAST(t."embedding" AS array(double)) AS x,
                        CAST(t."n_ratings" AS double) AS w
                    FROM "items" AS t
                    WHERE
                        (t.year > 1990)
                        AND (t.n_ratings >= 20)
                ) AS m
            ) AS q
        ) AS n
    ) AS q
) AS n
