-- The raw vectors of the items: each row times a matrix.
SELECT
    s.id AS `id`,
    CAST(s.x AS array<float>) AS `embedding`
FROM (
    SELECT
        id,
        transform(matrix, c -> aggregate(zip_with(c, x, (a, b) -> a * b), 0E0, (s, v) -> s + v)) AS x
    FROM (
        SELECT
            q.*,
            (
                SELECT transform(array_sort(collect_list(struct(j AS d, c AS v))), s -> s.v)
                FROM (
                    SELECT
                        j,
                        transform(array_sort(collect_list(struct(i AS d, value AS v))), s -> s.v) AS c
                    FROM (SELECT t.side AS side, t.j AS i, t.i AS j, t.value AS value FROM `sqlstab_transform` AS t WHERE side = 'users') AS transposed
                    WHERE 1 = 1
                    GROUP BY j
                ) AS matrix_columns
            ) AS matrix
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
        ) AS q
    ) AS m
) AS s
