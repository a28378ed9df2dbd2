-- The stable vectors of the items: each row times a matrix.
SELECT
    s.id AS `id`,
    CAST(s.x AS array<float>) AS `embedding`
FROM (
    SELECT
        id,
        transform(from_json('[
            [5.0000000000000000e-01, 2.5000000000000000e-01, 0.0000000000000000e+00],
            [0.0000000000000000e+00, -1.0000000000000000e+00, 2.0000000000000000e+00],
            [1.0000000000000000e+00, 0.0000000000000000e+00, 9.9999999999999995e-21]
        ]', 'array<array<double>>'), c -> aggregate(zip_with(c, x, (a, b) -> a * b), 0E0, (s, v) -> s + v)) AS x
    FROM (
        SELECT
            id,
            pinned.x AS x
        FROM (
            SELECT
                t.`id` AS id,
                CAST(t.`embedding` AS array<double>) AS x
            FROM `items` AS t
        ) AS p
        LATERAL VIEW inline(array(struct(p.x))) pinned AS x
    ) AS m
) AS s
