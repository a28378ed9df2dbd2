-- Fails where something is wrong with the items: sums would be wrong silently.
SELECT
    CASE
        WHEN n_rows = 0 OR null_ids + duplicate_ids + bad_weights + wrong_length + null_components + non_finite > 0
        THEN toFloat64(coalesce(message, '0'))
        ELSE n_rows
    END AS checked
FROM (
    SELECT
        *,
        CASE
            WHEN n_rows = 0 THEN 'items: items has no rows with year > 1990.'
            ELSE 'items: rows: ' || toString(n_rows) || ', NULL ids: ' || toString(null_ids)
                || ', duplicate ids: ' || toString(duplicate_ids)
                || ', weights that are NULL, negative or not finite: ' || toString(bad_weights)
                || ', vectors without 3 components: ' || toString(wrong_length)
                || ', vectors with NULL components: ' || toString(null_components)
                || ', with components that are not finite: ' || toString(non_finite)
                || CASE
                    WHEN wrong_length = n_rows AND longest > 0
                    THEN '. The longest vector has ' || toString(longest) || ' components: give that as --dimension.'
                    ELSE '. Leave such rows out, with --filter or in a view.'
                END
        END AS message
    FROM (
        -- What can be wrong with the ids of the items and with their weights.
        SELECT
            count(*) AS n_rows,
            count(*) - count(id) AS null_ids,
            count(id) - count(DISTINCT id) AS duplicate_ids,
            count(CASE WHEN w IS NULL OR NOT (w >= 0 AND arrayAll(v -> coalesce(isFinite(v), 1), [w])) THEN 1 END) AS bad_weights
        FROM (
            SELECT
                t."id" AS id,
                toFloat64(t."n_ratings") AS w
            FROM "items" AS t
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
                    length(t."embedding") AS n
                FROM "items" AS t
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
            count(CASE WHEN arrayExists(v -> v IS NULL, x) THEN 1 END) AS null_components,
            count(CASE WHEN NOT (arrayAll(v -> coalesce(isFinite(v), 1), x)) THEN 1 END) AS non_finite,
            count(CASE WHEN x[1] = 0 AND arrayMax(arrayMap(v -> abs(v), x)) = 0 THEN 1 END) AS zeros
        FROM (
            SELECT
                t."id" AS id,
                t."embedding" AS x
            FROM "items" AS t
            WHERE
                (t.year > 1990)
        ) AS r
        WHERE length(x) = 3
    ) AS vectors
) AS counts
