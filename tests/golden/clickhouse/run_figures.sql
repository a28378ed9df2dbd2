-- The figures of this run.
SELECT
    name,
    value
FROM "solution" AS s
WHERE name IN ('rank')
UNION ALL
SELECT
    'singular_value_' || toString(s.i) AS name,
    s.value AS value
FROM "solution" AS s
WHERE s.name = 'singular_values'
UNION ALL
SELECT
    'cosine_items_' || figure AS name,
    CASE figure WHEN 'rows' THEN toFloat64(n_rows) WHEN 'mean' THEN after_mean WHEN 'p10' THEN after_p10 ELSE after_median END AS value
FROM (
    -- Cosine of the same item in this run and in the reference: of the stable vectors (after), for all items that both runs have.
    SELECT
        count(*) AS n_rows,
        avg(after) AS after_mean,
        quantileExactInclusive(0.1)(after) AS after_p10,
        quantileExactInclusive(0.5)(after) AS after_median
    FROM (
        -- The cosine of a zero vector is undefined: NULL, which the figures leave out.
        SELECT
            (arrayDotProduct(s, p))
                / nullif(sqrt(arrayDotProduct(s, s)) * sqrt(arrayDotProduct(y, y)), 0) AS after
        FROM (
            SELECT
                x AS s,
                y,
                y AS p
            FROM (
                SELECT
                    id,
                    run.x AS x,
                    reference.x AS y
                FROM (
                    SELECT
                        t."id" AS id,
                        arrayMap(v -> assumeNotNull(v), arrayMap(v -> toFloat64(v), t."embedding")) AS x
                    FROM "items" AS t
                ) AS run
                JOIN (
                    SELECT
                        t."id" AS id,
                        arrayMap(v -> assumeNotNull(v), arrayMap(v -> toFloat64(v), t."embedding")) AS x
                    FROM "yesterday"."items" AS t
                ) AS reference USING (id)
            ) AS pairs
        ) AS vectors
    ) AS cosines
) AS drift
CROSS JOIN (
    SELECT 'rows' AS figure UNION ALL SELECT 'mean' UNION ALL SELECT 'p10' UNION ALL SELECT 'median'
) AS figures
UNION ALL
SELECT
    'shared_items' AS name,
    toFloat64(shared) AS value
FROM (
    -- How many items this run and the reference share.
    SELECT
        count(*) AS shared
    FROM (
        SELECT
            t."id" AS id
        FROM "items" AS t
    ) AS run
    WHERE id IN (
        SELECT
            t."id" AS id
        FROM "yesterday"."items" AS t
    )
) AS shared_ids
UNION ALL
SELECT
    figure AS name,
    CASE figure WHEN 'score_pairs' THEN toFloat64(n_pairs) ELSE largest_error / nullif(largest, 0) END AS value
FROM (
    -- Dot products of the raw and of the written vectors, for all pairs of 300 users and 300 items.
    SELECT
        count(raw_score - stable_score) AS n_pairs,
        max(abs(raw_score)) AS largest,
        max(abs(raw_score - stable_score)) AS largest_error
    FROM (
        SELECT
            arrayDotProduct(u.x, i.x) AS raw_score,
            arrayDotProduct(u.s, i.s) AS stable_score
        FROM (
            SELECT
                r.x AS x,
                s.x AS s
            FROM (
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
            ) AS r
            JOIN (
                -- Whichever rows come first: they are found without reading the whole table.
                SELECT *
                FROM (
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
                ) AS some_rows
                LIMIT 300
            ) AS s USING (id)
        ) AS u
        CROSS JOIN (
            SELECT
                r.x AS x,
                s.x AS s
            FROM (
                SELECT
                    t."id" AS id,
                    arrayMap(v -> assumeNotNull(v), arrayMap(v -> toFloat64(v), t."embedding")) AS x
                FROM "items" AS t
            ) AS r
            JOIN (
                -- Whichever rows come first: they are found without reading the whole table.
                SELECT *
                FROM (
                    SELECT
                        t."id" AS id,
                        arrayMap(v -> assumeNotNull(v), arrayMap(v -> toFloat64(v), t."embedding")) AS x
                    FROM "yesterday"."items" AS t
                ) AS some_rows
                LIMIT 300
            ) AS s USING (id)
        ) AS i
    ) AS scores
) AS scores
CROSS JOIN (
    SELECT 'score_pairs' AS figure UNION ALL SELECT 'max_relative_error'
) AS figures
