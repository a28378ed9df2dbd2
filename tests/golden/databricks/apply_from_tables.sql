-- The stable vectors of the items: each row times a matrix, then times another.
SELECT
    s.id AS `item_id`,
    CAST(get(s.x, 1 - 1) AS float) AS `e0`,
    CAST(get(s.x, 2 - 1) AS float) AS `e1`,
    CAST(get(s.x, 3 - 1) AS float) AS `e2`,
    s.k1 AS `genre`
FROM (
    SELECT
        id,
        transform(matrix, c -> aggregate(zip_with(c, x, (a, b) -> a * b), 0E0, (s, v) -> s + v)) AS x,
        k1
    FROM (
        SELECT
            q.*,
            (
                SELECT transform(array_sort(collect_list(struct(j AS d, c AS v))), s -> s.v)
                FROM (
                    SELECT
                        j,
                        transform(array_sort(collect_list(struct(i AS d, value AS v))), s -> s.v) AS c
                    FROM `sqlstab_transform`
                    WHERE side = 'items'
                    GROUP BY j
                ) AS matrix_columns
            ) AS matrix
        FROM (
            SELECT
                id,
                pinned.x AS x,
                k1
            FROM (
                SELECT
                    id,
                    transform(matrix, c -> aggregate(zip_with(c, x, (a, b) -> a * b), 0E0, (s, v) -> s + v)) AS x,
                    k1
                FROM (
                    SELECT
                        q.*,
                        (
                            SELECT transform(array_sort(collect_list(struct(j AS d, c AS v))), s -> s.v)
                            FROM (
                                SELECT
                                    j,
                                    transform(array_sort(collect_list(struct(i AS d, value AS v))), s -> s.v) AS c
                                FROM `sqlstab_transform`
                                WHERE side = 'items'
                                GROUP BY j
                            ) AS matrix_columns
                        ) AS matrix
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
                    ) AS q
                ) AS m
            ) AS p
            LATERAL VIEW inline(array(struct(p.x))) pinned AS x
        ) AS q
    ) AS m
) AS s
