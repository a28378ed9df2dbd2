-- The vectors of the items, and their ids: of a share of them, chosen by a hash of the id.
SELECT
    x,
    CASE WHEN lower(hex(MD5(toString(id)))) < '06666666' THEN id END AS kept
FROM (
    SELECT
        t."item_id" AS id,
        [t."e0", t."e1", t."e2"] AS x
    FROM "lake"."items" AS t
) AS r
