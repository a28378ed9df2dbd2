-- The orthogonal matrix Omega = A B' that brings this run closest to the reference, from C = A D B': rows (k, j, value).
WITH
-- The rows k of C.
crossed AS (
    SELECT
        i AS k,
        transform(array_sort(collect_list(struct(j AS d, value AS v))), s -> s.v) AS x
    FROM crosses AS c
    GROUP BY i
),
omega_rows AS (
    SELECT
        u.k + 1 AS k,
        u.v AS x
    FROM (
        SELECT
            aggregate(
                sequence(1, 24),
                struct(lines AS col1, 1.5E-8 AS col2),
                (now, step) -> get(
                    transform(
                        array(now.col1),
                        lines -> get(
                            transform(
                                array(now.col2),
                                least -> get(
                                    transform(
                                        array(sqrt(3 / (1 + least + least * least))),
                                        factor -> get(
                                            transform(
                                                array(
                                                    transform(
                                                        sequence(1, 4),
                                                        place -> transform(
                                                            lines,
                                                            line -> get(line, place - 1)
                                                        )
                                                    )
                                                ),
                                                across -> struct(
                                                    zip_with(
                                                        lines,
                                                        transform(
                                                            lines,
                                                            line -> transform(
                                                                lines,
                                                                c -> aggregate(
                                                                    zip_with(c, line, (a, b) -> a * b),
                                                                    0E0,
                                                                    (s, v) -> s + v
                                                                )
                                                            )
                                                        ),
                                                        (line, square) -> zip_with(
                                                            line,
                                                            transform(
                                                                across,
                                                                c -> aggregate(
                                                                    zip_with(c, square, (a, b) -> a * b),
                                                                    0E0,
                                                                    (s, v) -> s + v
                                                                )
                                                            ),
                                                            (u, w) -> factor * (
                                                                3 * u - factor * factor * w
                                                            ) / 2
                                                        )
                                                    ) AS col1,
                                                    factor * least * (
                                                        3 - factor * factor * least * least
                                                    ) / 2 AS col2
                                                )
                                            ),
                                            1 - 1
                                        )
                                    ),
                                    1 - 1
                                )
                            ),
                            1 - 1
                        )
                    ),
                    1 - 1
                )
            ).col1 AS lines
        FROM (
            SELECT transform(
                array_sort(collect_list(struct(k AS d, transform(x, v -> v / size) AS v))),
                s -> s.v
            ) AS lines
            FROM (
                SELECT
                    m.k AS k,
                    m.x AS x,
                    t.size AS size
                FROM crossed AS m
                CROSS JOIN (
                    SELECT coalesce(
                        nullif(
                            sqrt(
                                aggregate(zip_with(lengths, lengths, (a, b) -> a * b), 0E0, (s, v) -> s + v)
                            ),
                            0
                        ),
                        1
                    ) AS size
                    FROM (
                        -- In the order of k: a sum in no order would not be the same each time.
                        SELECT transform(
                            array_sort(
                                collect_list(
                                    struct(
                                        k AS d,
                                        sqrt(
                                            aggregate(zip_with(x, x, (a, b) -> a * b), 0E0, (s, v) -> s + v)
                                        ) AS v
                                    )
                                )
                            ),
                            s -> s.v
                        ) AS lengths
                        FROM crossed AS c
                    ) AS l
                ) AS t
            ) AS m
        ) AS c
    ) AS f
    LATERAL VIEW posexplode(f.lines) u AS k, v
)
SELECT
    m.k AS k,
    u.k + 1 AS j,
    u.v AS value
FROM omega_rows AS m
LATERAL VIEW posexplode(m.x) u AS k, v
