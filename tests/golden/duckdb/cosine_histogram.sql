-- How many cosines of the same id in two runs are in each of 40 bins from -1 to 1, counted from 0,
-- for all users that both runs have.
SELECT
    bin,
    count(*) AS n_rows
FROM (
    -- The last bin includes 1; rounding may lead beyond either end.
    SELECT CAST(least(greatest(floor((cosine + 1) * 2.0000000000000000e+01), 0), 39) AS INTEGER) AS bin
    FROM (
        SELECT
            id,
            (list_dot_product(x, y)) / nullif(norm * reference_norm, 0) AS cosine,
            norm,
            reference_norm
        FROM (
            SELECT
                pairs.*,
                sqrt(list_dot_product(pairs.x, pairs.x)) AS norm,
                sqrt(list_dot_product(pairs.y, pairs.y)) AS reference_norm
            FROM (
                SELECT
                    id,
                    run.x AS x,
                    reference.x AS y
                FROM (
                    SELECT
                        t."id" AS id,
                        -- NULL where a dimension is missing or stands twice.
                        CASE
                            WHEN count(DISTINCT t."dim") = count(*)
                                AND max(t."dim") - min(t."dim") + 1 = count(*)
                                AND min(t."dim") = 0
                            THEN list(CAST(t."value" AS DOUBLE) ORDER BY t."dim")
                        END AS x
                    FROM "lake"."users" AS t
                    GROUP BY t."id"
                ) AS run
                JOIN (
                    SELECT
                        id,
                        -- No row here has a NULL component, but the engine minds those of rows left out, or the type.
                        list_transform(r.x, lambda v: coalesce(v, 0)) AS x
                    FROM (
                        SELECT
                            t."id" AS id,
                            CAST(t."v" AS DOUBLE[]) AS x
                        FROM "users" AS t
                    ) AS r
                    WHERE
                        id IS NOT NULL
                        AND len(r.x) = 3
                        AND NOT (list_count(r.x) <> len(r.x))
                        AND isfinite(list_max(r.x)) AND isfinite(list_min(r.x))
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
