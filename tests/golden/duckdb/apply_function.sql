-- The stable vectors of the items: each row times a matrix, by a function of this session.
SELECT
    s.id AS "item_id",
    CAST(s.x[1] AS FLOAT) AS "e0",
    CAST(s.x[2] AS FLOAT) AS "e1",
    CAST(s.x[3] AS FLOAT) AS "e2",
    s.k1 AS "genre"
FROM (
    SELECT
        id,
        stable(r.x) AS x,
    k1
    FROM (
        SELECT
            t."item_id" AS id,
            CAST([t."e0", t."e1", t."e2"] AS FLOAT[]) AS x,
            t."genre" AS k1
        FROM "lake"."items" AS t
    ) AS r
) AS s
