-- The stable vectors of the users: each row times a matrix.
SELECT
    s.id AS `id`,
    u.k + 0 AS `dim`,
    CAST(u.v AS double) AS `value`
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
                -- NULL where a dimension is missing or stands twice.
                CASE
                    WHEN array_size(array_distinct(collect_list(t.`dim`))) = count(*)
                        AND max(t.`dim`) - min(t.`dim`) + 1 = count(*)
                        AND min(t.`dim`) = 0
                    THEN transform(array_sort(collect_list(struct(t.`dim` AS d, CAST(t.`value` AS double) AS v))), s -> s.v)
                END AS x
            FROM `lake`.`users` AS t
            GROUP BY t.`id`
        ) AS p
        LATERAL VIEW inline(array(struct(p.x))) pinned AS x
    ) AS m
) AS s
LATERAL VIEW posexplode(s.x) u AS k, v
