-- Fails where the items written are not those that were checked.
SELECT
    CASE
        WHEN n_rows <> checked OR null_ids + duplicate_ids > 0
        THEN CAST(message AS double precision)
        ELSE n_rows
    END AS written
FROM (
    SELECT
        *,
        'items: rows checked: ' || CAST(CAST(checked AS bigint) AS text) || ', rows written: ' || CAST(n_rows AS text)
            || ', NULL ids: ' || CAST(null_ids AS text) || ', duplicate ids: ' || CAST(duplicate_ids AS text)
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
