-- Fails where the items written are not those that were checked.
SELECT
    CASE
        WHEN n_rows <> checked OR null_ids + duplicate_ids > 0
        THEN toFloat64(coalesce(message, '0'))
        ELSE n_rows
    END AS written
FROM (
    SELECT
        *,
        'items: rows checked: ' || toString(CAST(checked AS Int64)) || ', rows written: ' || toString(n_rows)
            || ', NULL ids: ' || toString(null_ids) || ', duplicate ids: ' || toString(duplicate_ids)
            || '. Look at it.' AS message
    FROM (
        -- What can be wrong with the ids of the items.
        SELECT
            count(*) AS n_rows,
            count(*) - count(id) AS null_ids,
            count(id) - count(DISTINCT id) AS duplicate_ids
        FROM (
            SELECT
                t."id" AS id
            FROM "items" AS t
        ) AS r
    ) AS ids
    CROSS JOIN "checked" AS c
) AS counts
