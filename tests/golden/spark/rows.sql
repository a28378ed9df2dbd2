-- The vectors of the items.
SELECT r.x AS x
FROM (
    SELECT
        t.`item_id` AS id,
        array(t.`e0`, t.`e1`, t.`e2`) AS x
    FROM `lake`.`items` AS t
    WHERE
        (md5(CAST(t.`item_id` AS string)) < '80000000')
) AS r
