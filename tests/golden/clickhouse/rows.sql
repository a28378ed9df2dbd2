-- The vectors of the items, and their ids: of a share of them, chosen by a hash of the id.
SELECT
    r.x AS x,
    CASE WHEN lower(hex(MD5(toString(r.id)))) < '06666666' THEN r.id END AS kept
FROM (
    SELECT
        t."item_id" AS id,
        arrayMap(v -> assumeNotNull(v), [t."e0", t."e1", t."e2"]) AS x
    FROM "lake"."items" AS t
) AS r
