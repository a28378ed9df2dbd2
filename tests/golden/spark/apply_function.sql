-- The stable vectors of the items: each row times a matrix, by a function of this session.
SELECT
    s.id AS `item_id`,
    CAST(get(s.x, 1 - 1) AS float) AS `e0`,
    CAST(get(s.x, 2 - 1) AS float) AS `e1`,
    CAST(get(s.x, 3 - 1) AS float) AS `e2`,
    s.k1 AS `genre`
FROM (
    SELECT
        id,
        stable(r.x) AS x,
    k1
    FROM (
        SELECT
            t.`item_id` AS id,
            array(t.`e0`, t.`e1`, t.`e2`) AS x,
            t.`genre` AS k1
        FROM `lake`.`items` AS t
    ) AS r
) AS s
