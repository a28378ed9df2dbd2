-- The stable vectors of the items: each row times a matrix.
SELECT
    s.id AS `item_id`,
    CAST(get(s.x, 1 - 1) AS float) AS `e0`,
    CAST(get(s.x, 2 - 1) AS float) AS `e1`,
    CAST(get(s.x, 3 - 1) AS float) AS `e2`,
    s.k1 AS `genre`
FROM (
    SELECT
        id,
        transform(from_json('[
            [5.0000000000000000e-01, 2.5000000000000000e-01, 0.0000000000000000e+00],
            [0.0000000000000000e+00, -1.0000000000000000e+00, 2.0000000000000000e+00],
            [1.0000000000000000e+00, 0.0000000000000000e+00, 9.9999999999999995e-21]
        ]', 'array<array<double>>'), c -> aggregate(zip_with(c, x, (a, b) -> a * b), 0E0, (s, v) -> s + v)) AS x,
        k1
    FROM (
        SELECT
            id,
            pinned.x AS x,
            k1
        FROM (
            SELECT
                t.`item_id` AS id,
                CAST(array(t.`e0`, t.`e1`, t.`e2`) AS array<double>) AS x,
                t.`genre` AS k1
            FROM `lake`.`items` AS t
        ) AS p
        LATERAL VIEW inline(array(struct(p.x))) pinned AS x
    ) AS m
) AS s
