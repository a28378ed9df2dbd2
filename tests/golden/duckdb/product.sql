-- The items times a matrix, made unit vectors; only those that may align.
SELECT
    id,
    list_transform(x, lambda v: v / divisor) AS x,
    w
FROM (
    SELECT
        q.*,
        coalesce(nullif(sqrt(list_dot_product(q.x, q.x)), 0), 1) AS divisor
    FROM (
        SELECT
            id,
            list_transform(x, lambda v: v / divisor) AS x,
            w
        FROM (
            SELECT
                q.*,
                coalesce(nullif(list_max(list_transform(q.x, lambda v: abs(v))), 0), 1) AS divisor
            FROM (
                SELECT
                    id,
                    list_transform([
                        [5.0000000000000000e-01, 2.5000000000000000e-01, 0.0000000000000000e+00],
                        [0.0000000000000000e+00, -1.0000000000000000e+00, 2.0000000000000000e+00],
                        [1.0000000000000000e+00, 0.0000000000000000e+00, 9.9999999999999995e-21]
                    ], lambda c: list_dot_product(c, x)) AS x,
                    w
                FROM (
                    SELECT
                        t."id" AS id,
                        CAST(t."embedding" AS DOUBLE[]) AS x,
                        CAST(t."n_ratings" AS DOUBLE) AS w
                    FROM "items" AS t
                    WHERE
                        (t.year > 1990)
                        AND (t.n_ratings >= 20)
                ) AS m
            ) AS q
        ) AS n
    ) AS q
) AS n
