-- The stable vectors of the items: each row times a matrix.
SELECT
    s.id AS `id`,
    CAST(s.x AS array<float>) AS `embedding`
FROM (
    SELECT
        id,
        transform(from_json('[
            [0.5E0, 0.25E0, 0.0E0],
            [0.0E0, -1.0E0, 2.0E0],
            [1.0E0, 0.0E0, 1E-20]
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
