-- The orthogonal matrix Omega = A B' that brings this run closest to the reference, from C = A D B': rows (k, j, value).
WITH
-- The rows k of C.
crossed AS (
    SELECT
        i AS k,
        arrayMap(p -> p.2, arraySort(p -> p.1, groupArray((j, value)))) AS x
    FROM crosses AS c
    GROUP BY i
),
omega_rows AS (
    SELECT
        sqlstab_k - 1 + 1 AS k,
        sqlstab_v AS x
    FROM (
        SELECT
            arrayFold(
                (now, step) -> arrayMap(
                    lines -> arrayMap(
                        least -> arrayMap(
                            factor -> arrayMap(
                                across -> (
                                    arrayMap(
                                        (line, square) -> arrayMap(
                                            (u, w) -> factor * (3 * u - factor * factor * w) / 2,
                                            line,
                                            arrayMap(c -> arrayDotProduct(square, c), across)
                                        ),
                                        lines,
                                        arrayMap(
                                            line -> arrayMap(c -> arrayDotProduct(line, c), lines),
                                            lines
                                        )
                                    ),
                                    factor * least * (3 - factor * factor * least * least) / 2
                                ),
                                [arrayMap(place -> arrayMap(line -> line[place], lines), range(1, 4 + 1))]
                            )[1],
                            [sqrt(3 / (1 + least + least * least))]
                        )[1],
                        [now.2]
                    )[1],
                    [now.1]
                )[1],
                range(1, 24 + 1),
                (lines, 1.5E-8)
            ).1 AS lines
        FROM (
            SELECT arrayMap(
                p -> p.2,
                arraySort(p -> p.1, groupArray((k, arrayMap(v -> v / size, x))))
            ) AS lines
            FROM (
                SELECT
                    m.k AS k,
                    m.x AS x,
                    t.size AS size
                FROM crossed AS m
                CROSS JOIN (
                    SELECT coalesce(nullif(sqrt(arrayDotProduct(lengths, lengths)), 0), 1) AS size
                    FROM (
                        -- In the order of k: a sum in no order would not be the same each time.
                        SELECT arrayMap(
                            p -> p.2,
                            arraySort(p -> p.1, groupArray((k, sqrt(arrayDotProduct(x, x)))))
                        ) AS lengths
                        FROM crossed AS c
                    ) AS l
                ) AS t
            ) AS m
        ) AS c
    ) AS f
    ARRAY JOIN f.lines AS sqlstab_v, arrayEnumerate(f.lines) AS sqlstab_k
)
SELECT
    m.k AS k,
    sqlstab_k - 1 + 1 AS j,
    sqlstab_v AS value
FROM omega_rows AS m
ARRAY JOIN m.x AS sqlstab_v, arrayEnumerate(m.x) AS sqlstab_k
