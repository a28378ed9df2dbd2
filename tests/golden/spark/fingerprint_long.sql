-- What tells whether the users are the same rows as before: sums of one number of each row, by a hash of its id.
SELECT
    bucket,
    count(*) AS n_rows,
    sum(x1) AS total,
    sum(x1 * x1) AS squares
FROM (
    SELECT
        SUBSTR(md5(CAST(v.id AS string)), 9, 2) AS bucket,
        v.x1 AS x1
    FROM (
        SELECT
            id,
            CAST(get(x, 1 - 1) AS double) AS x1
        FROM (
            SELECT
                id,
                transform(from_json('[
                    [5.0000000000000000e-01, 2.5000000000000000e-01, 0.0000000000000000e+00]
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
        ) AS v
    ) AS v
) AS r
GROUP BY bucket
