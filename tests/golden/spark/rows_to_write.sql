-- The vectors of the items.
SELECT
    r.x AS x,
    r.id AS `item_id`,
    r.k1 AS `genre`
FROM (
    SELECT
        t.`item_id` AS id,
        array(t.`e0`, t.`e1`, t.`e2`) AS x,
        t.`genre` AS k1
    FROM `lake`.`items` AS t
) AS r
