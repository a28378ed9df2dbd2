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
                        [0.5E0, 0.25E0, 0.0E0],
                        [0.0E0, -1.0E0, 2.0E0],
                        [1.0E0, 0.0E0, 1E-20]
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
