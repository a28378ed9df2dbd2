-- Fails where something is wrong with the items: sums would be wrong silently.
SELECT
    CASE
        WHEN n_rows = 0 OR null_ids + duplicate_ids + bad_weights + wrong_length + null_components + non_finite > 0
        THEN CAST(message AS FLOAT)
        ELSE n_rows
    END AS checked
FROM (
    SELECT
        *,
        CASE
            WHEN n_rows = 0 THEN 'items: items has no rows with year > 1990.'
            ELSE 'items: rows: ' || CAST(n_rows AS VARCHAR) || ', NULL ids: ' || CAST(null_ids AS VARCHAR)
                || ', duplicate ids: ' || CAST(duplicate_ids AS VARCHAR)
                || ', weights that are NULL, negative or not finite: ' || CAST(bad_weights AS VARCHAR)
                || ', vectors without 3 components: ' || CAST(wrong_length AS VARCHAR)
                || ', vectors with NULL components: ' || CAST(null_components AS VARCHAR)
                || ', with components that are not finite: ' || CAST(non_finite AS VARCHAR)
                || CASE
                    WHEN wrong_length = n_rows AND longest > 0
                    THEN '. The longest vector has ' || CAST(longest AS VARCHAR) || ' components: give that as --dimension.'
                    ELSE '. Leave such rows out, with --filter or in a view.'
                END
        END AS message
    FROM (
        -- What can be wrong with the ids of the items and with their weights.
        SELECT
            count(*) AS n_rows,
            count(*) - count(id) AS null_ids,
            count(id) - count(DISTINCT id) AS duplicate_ids,
            count(CASE WHEN w IS NULL OR NOT (w >= 0 AND w - w = 0) THEN 1 END) AS bad_weights
        FROM (
            SELECT
                t."id" AS id,
                CAST(t."n_ratings" AS FLOAT) AS w
            FROM "ITEMS" AS t
            WHERE
                (t.year > 1990)
        ) AS r
    ) AS ids
    CROSS JOIN (
        SELECT
            coalesce(sum(CASE WHEN n = 3 THEN 0 ELSE n_rows END), 0) AS wrong_length,
            coalesce(max(n), 0) AS longest
        FROM (
            -- How many vectors of the items have so many components (n); NULL for a vector that is NULL or, in the
            -- long layout, lacks a dimension or has one twice.
            SELECT
                n,
                count(*) AS n_rows
            FROM (
                SELECT
                    t."id" AS id,
                    ARRAY_SIZE(t."embedding") AS n
                FROM "ITEMS" AS t
                WHERE
                    (t.year > 1990)
            ) AS r
            GROUP BY n
            ORDER BY n
        ) AS lengths
    ) AS by_length
    CROSS JOIN (
        -- What can be wrong with the vectors of the items that have 3 components, and how many are zeros.
        SELECT
            count(CASE WHEN x1 IS NULL OR x2 IS NULL OR x3 IS NULL THEN 1 END) AS null_components,
            count(CASE WHEN NOT ((x1 - x1) + (x2 - x2) + (x3 - x3) = 0) THEN 1 END) AS non_finite,
            count(CASE WHEN x1 = 0 AND x2 = 0 AND x3 = 0 THEN 1 END) AS zeros
        FROM (
            SELECT
                id,
                CAST(GET(x, 1 - 1) AS FLOAT) AS x1,
                CAST(GET(x, 2 - 1) AS FLOAT) AS x2,
                CAST(GET(x, 3 - 1) AS FLOAT) AS x3
            FROM (
                SELECT
                    t."id" AS id,
                    t."embedding" AS x
                FROM "ITEMS" AS t
                WHERE
                    (t.year > 1990)
            ) AS v
            WHERE ARRAY_SIZE(x) = 3
        ) AS r
    ) AS vectors
) AS counts
