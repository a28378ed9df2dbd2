-- Both halves of the shared ids added up, without the constant component.
SELECT
    h.side AS side,
    h.i AS i,
    h.j AS j,
    sum(h.value) AS value,
    sum(h.n_rows) AS n_rows
FROM (
    -- Gram matrix of the items that this run and the reference share, for each half of the ids:
    -- the sum of x[i] * x[j] over the rows, for i <= j. In strips of 4 rows of the matrix, which begin at p.
    SELECT
        'items' AS side,
        half,
        i,
        j,
        value,
        n_rows
    FROM (
        SELECT
            half,
            p + intDiv(k, (4 - p)) AS i,
            p + mod(k, (4 - p)) AS j,
            value,
            n_rows
        FROM (
            SELECT
                half,
                p,
                n_rows,
                sqlstab_k - 1 AS k,
                sqlstab_v AS value
            FROM (
                SELECT
                    half,
                    p,
                    count(*) AS n_rows,
                    arrayFlatten([
                        sumForEach(x[p] * z),
                        sumForEach(x[p + 1] * z),
                        sumForEach(x[p + 2] * z),
                        sumForEach(x[p + 3] * z)
                    ]) AS sums
                FROM (
                    SELECT
                        half,
                        p,
                        x,
                        arraySlice(x, p) AS z
                    FROM (
                        SELECT
                            r.x AS x,
                            CASE WHEN SUBSTR(lower(hex(MD5(toString(r.id)))), 9, 1) < '8' THEN 0 ELSE 1 END AS half
                        FROM (
                            SELECT
                                t."id" AS id,
                                arrayMap(v -> assumeNotNull(v), t."embedding") AS x
                            FROM "items" AS t
                        ) AS r
                        JOIN (
                            SELECT
                                t."id" AS id
                            FROM "yesterday"."items" AS t
                        ) AS other USING (id)
                    ) AS v
                    ARRAY JOIN range(1, 3 + 1, 4) AS p
                ) AS pieces
                GROUP BY half, p
                SETTINGS max_block_size = 2048
            ) AS g
            ARRAY JOIN g.sums AS sqlstab_v, arrayEnumerate(g.sums) AS sqlstab_k
        ) AS entries
    ) AS gram
    WHERE i <= j
    ORDER BY
        half,
        i,
        j
) AS h
WHERE h.i <= 3 AND h.j <= 3
GROUP BY
    h.side,
    h.i,
    h.j
