-- The stable vectors of the items: each row times a matrix.
SELECT
    s.id AS "item_id",
    toFloat32(s.x[1]) AS "e0",
    toFloat32(s.x[2]) AS "e1",
    toFloat32(s.x[3]) AS "e2",
    s.k1 AS "genre"
FROM (
    SELECT
        id,
        arrayMap(c -> arrayDotProduct(x, c), [
            [0.5E0, 0.25E0, 0.0E0],
            [0.0E0, -1.0E0, 2.0E0],
            [1.0E0, 0.0E0, 1E-20]
        ]) AS x,
        k1
    FROM (
        SELECT
            id,
            arrayMap(v -> v / divisor, x) AS x,
            k1
        FROM (
            SELECT
                q.*,
                coalesce(nullif(sqrt(arrayDotProduct(q.x, q.x)), 0), 1) AS divisor
            FROM (
                SELECT
                    id,
                    arrayMap(v -> v / divisor, x) AS x,
                    k1
                FROM (
                    SELECT
                        q.*,
                        coalesce(nullif(arrayMax(arrayMap(v -> abs(v), q.x)), 0), 1) AS divisor
                    FROM (
                        SELECT
                            id,
                            arrayMap((v, w) -> v - w, c.x, [0.5E0, -1.0E0, 1E-20]) AS x,
                            k1
                        FROM (
                            SELECT
                                t."item_id" AS id,
                                arrayMap(v -> assumeNotNull(v), arrayMap(v -> toFloat64(v), [t."e0", t."e1", t."e2"])) AS x,
                                t."genre" AS k1
                            FROM "lake"."items" AS t
                        ) AS c
                    ) AS q
                ) AS n
            ) AS q
        ) AS n
    ) AS m
) AS s
