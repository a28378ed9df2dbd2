-- How many items this run and the reference share and may align.
SELECT
    count(*) AS shared,
    count(CASE WHEN w > 0 THEN 1 END) AS weighted,
    sum(w) AS weight,
    -- Other squares may be no number.
    sum(CASE WHEN w > 1.0000000000000000e-150 AND w < 9.9999999999999998e+149 THEN w * w END) AS squares
FROM (
    SELECT
        t."id" AS id,
        CAST(t."n_ratings" AS DOUBLE PRECISION) AS w
    FROM "items" AS t
    WHERE
        (t.year > 1990)
        AND (t.n_ratings >= 20)
) AS run
WHERE id IN (
    SELECT
        t."id" AS id
    FROM "yesterday"."items" AS t
)
