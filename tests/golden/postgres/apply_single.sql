-- The stable vectors of the items: each row times a matrix.
SELECT
    s.id AS "id",
    CAST(ARRAY[CAST(s.x1 AS real), CAST(s.x2 AS real), CAST(s.x3 AS real)] AS public.vector(3)) AS "embedding",
    s.k1 AS "title"
FROM (
    SELECT
        id,
        1.0000000000000000e+00 * (public.inner_product(m.x1, CAST('[0.5, 0.25, 0]' AS public.vector))) AS x1,
        4.0000000000000000e+00 * (public.inner_product(m.x1, CAST('[0, -0.25, 0.5]' AS public.vector))) AS x2,
        2.0000000000000000e+00 * (public.inner_product(m.x1, CAST('[0.5, 0, 4.99999984e-21]' AS public.vector))) AS x3,
        k1
    FROM (
        SELECT
            id,
            CAST(x[1:3] AS public.vector) AS x1,
            k1
        FROM (
            SELECT
                t."id" AS id,
                CAST(t."embedding" AS real[]) AS x,
                t."title" AS k1
            FROM "items" AS t
            WHERE
                (t.year > 1990)
            OFFSET 0
        ) AS v
        OFFSET 0
    ) AS m
    OFFSET 0
) AS s
