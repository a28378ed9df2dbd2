-- The stable vectors of the items: each row times a matrix, then times another.
SELECT
    id AS "item_id",
    CAST(s[1] AS FLOAT) AS "e0",
    CAST(s[2] AS FLOAT) AS "e1",
    CAST(s[3] AS FLOAT) AS "e2",
    k1 AS "genre"
FROM (
    SELECT
        id,
        k1,
        list_transform([
                [0.5E0, 0.25E0, 0.0E0],
                [0.0E0, -1.0E0, 2.0E0],
                [1.0E0, 0.0E0, 1E-20]
            ], lambda c: list_dot_product(c, x)) AS s
    FROM (
        SELECT
            id,
            k1,
            list_transform([
                    [0.5E0, 0.25E0, 0.0E0],
                    [0.0E0, -1.0E0, 2.0E0],
                    [1.0E0, 0.0E0, 1E-20]
                ], lambda c: list_dot_product(c, x)) AS x
        FROM (
            SELECT
                t."item_id" AS id,
                CAST([t."e0", t."e1", t."e2"] AS DOUBLE[]) AS x,
                t."genre" AS k1
            FROM read_parquet('data/items-*.parquet') AS t
        ) AS r
    ) AS r
) AS stable
