-- What there is to know of this run, as JSON.
SELECT
    '{"rank": '
    || CAST(f.rank AS string)
    || '}' AS figures,
    replace(date_format(to_utc_timestamp(current_timestamp(), current_timezone()), 'yyyy-MM-dd HH:mm:ss.SSSSSS'), ' ', 'T') || '+00:00' AS created
FROM (
    SELECT
        max(CASE WHEN name = 'rank' THEN value END) AS rank
    FROM `figures` AS n
) AS f
CROSS JOIN `reference` AS r
