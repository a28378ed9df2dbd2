-- How many cosines of the same id in two runs are in each of 40 bins from -1 to 1, counted from 0,
-- for all users that both runs have.
SELECT
    bin,
    count(*) AS n_rows
FROM (
    -- The last bin includes 1; rounding may lead beyond either end.
    SELECT CAST(least(greatest(floor((cosine + 1) * 2.0000000000000000e+01), 0), 39) AS Int32) AS bin
    FROM (
        SELECT
            id,
            (arrayDotProduct(x, y)) / nullif(norm * reference_norm, 0) AS cosine,
            norm,
            reference_norm
        FROM (
            SELECT
                pairs.*,
                sqrt(arrayDotProduct(pairs.x, pairs.x)) AS norm,
                sqrt(arrayDotProduct(pairs.y, pairs.y)) AS reference_norm
            FROM (
                SELECT
                    id,
                    run.x AS x,
                    reference.x AS y
                FROM (
                    SELECT
                        t."id" AS id,
                        -- Empty where a dimension is missing or stands twice.
                        CASE
                            WHEN count(DISTINCT t."dim") = count(*)
                                AND max(t."dim") - min(t."dim") + 1 = count(*)
                                AND min(t."dim") = 0
                            THEN arrayMap(v -> assumeNotNull(v), arrayMap(p -> p.2, arraySort(p -> p.1, groupArray((t."dim", toFloat64(t."value"))))))
                            ELSE []
                        END AS x
                    FROM "lake"."users" AS t
                    GROUP BY t."id"
                ) AS run
                JOIN (
                    SELECT
                        id,
                        -- No row here has a NULL component, but the engine minds those of rows left out, or the type.
                        arrayMap(v -> assumeNotNull(v), r.x) AS x
                    FROM (
                        SELECT
                            t."id" AS id,
                            arrayMap(v -> toFloat64(v), t."v") AS x
                        FROM "users" AS t
                    ) AS r
                    WHERE
                        id IS NOT NULL
                        AND length(r.x) = 3
                        AND NOT (arrayExists(v -> v IS NULL, r.x))
                        AND arrayAll(v -> coalesce(isFinite(v), 1), r.x)
                        AND id NOT IN (
                            SELECT id
                            FROM (
                                SELECT t."id" AS id
                                FROM "users" AS t
                            ) AS d
                            WHERE id IS NOT NULL
                            GROUP BY id
                            HAVING count(*) > 1
                        )
                ) AS reference USING (id)
            ) AS pairs
        ) AS measured
    ) AS c
    WHERE cosine IS NOT NULL
) AS binned
GROUP BY bin
ORDER BY bin
