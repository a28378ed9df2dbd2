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
            [0.5E0, 0.25E0, 0.0E0],
            [0.0E0, -1.0E0, 2.0E0],
            [1.0E0, 0.0E0, 1E-20]
        ]', 'array<array<double>>'), c -> aggregate(zip_with(c, x, (a, b) -> a * b), 0E0, (s, v) -> s + v)) AS x,
        k1
    FROM (
        SELECT
            id,
            pinned.x AS x,
            k1
        FROM (
            SELECT
                id,
                transform(x, v -> v / divisor) AS x,
                k1
            FROM (
                SELECT
                    id,
                    pinned.x AS x,
                    pinned.divisor AS divisor,
                    k1
                FROM (
                    SELECT
                        q.*,
                        coalesce(nullif(sqrt(aggregate(zip_with(q.x, q.x, (a, b) -> a * b), 0E0, (s, v) -> s + v)), 0), 1) AS divisor
                    FROM (
                        SELECT
                            id,
                            pinned.x AS x,
                            k1
                        FROM (
                            SELECT
                                id,
                                transform(x, v -> v / divisor) AS x,
                                k1
                            FROM (
                                SELECT
                                    id,
                                    pinned.x AS x,
                                    pinned.divisor AS divisor,
                                    k1
                                FROM (
                                    SELECT
                                        q.*,
                                        coalesce(nullif(array_max(transform(q.x, v -> abs(v))), 0), 1) AS divisor
                                    FROM (
                                        SELECT
                                            id,
                                            pinned.x AS x,
                                            k1
                                        FROM (
                                            SELECT
                                                id,
                                                zip_with(c.x, array(0.5E0, -1.0E0, 1E-20), (v, w) -> v - w) AS x,
                                                k1
                                            FROM (
                                                SELECT
                                                    t.`item_id` AS id,
                                                    CAST(array(t.`e0`, t.`e1`, t.`e2`) AS array<double>) AS x,
                                                    t.`genre` AS k1
                                                FROM `lake`.`items` AS t
                                            ) AS c
                                        ) AS p
                                        LATERAL VIEW inline(array(struct(p.x))) pinned AS x
                                    ) AS q
                                ) AS p
                                LATERAL VIEW inline(array(struct(p.x, p.divisor))) pinned AS x, divisor
                            ) AS n
                        ) AS p
                        LATERAL VIEW inline(array(struct(p.x))) pinned AS x
                    ) AS q
                ) AS p
                LATERAL VIEW inline(array(struct(p.x, p.divisor))) pinned AS x, divisor
            ) AS n
        ) AS p
        LATERAL VIEW inline(array(struct(p.x))) pinned AS x
    ) AS m
) AS s
