-- The two maps of a solution.
SELECT
    s.name AS side,
    s.i AS i,
    s.j AS j,
    -- None is NULL, but figures in the same column may be, and some engines know columns by that.
    coalesce(s.value, 0) AS value
FROM `solution` AS s
WHERE s.name IN ('users', 'items')
