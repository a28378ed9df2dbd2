-- The two maps, from sums, by a function in JavaScript. Rows (name, i, j, value): name is users or items for the maps,
-- omega for the alignment, singular_values (j = 1), or that of a figure (i = j = 1).
SELECT
    CAST(r.value:name AS VARCHAR) AS name,
    CAST(r.value:i AS integer) AS i,
    CAST(u.index + 1 AS integer) AS j,
    CAST(u.value AS FLOAT) AS value
FROM (
    SELECT sqlstab_solve(ARRAY_AGG(OBJECT_CONSTRUCT('kind', s.kind, 'side', s.side, 'i', s.i, 'j', s.j, 'value', s.value, 'n_rows', s.n_rows)), '{"dimension": 3, "reference_dimension": 3}') AS solution
    FROM (
        SELECT 'gram' AS kind, t.side, t.i, t.j, t.value, t.n_rows FROM grams AS t
    ) AS s
) AS solved
CROSS JOIN LATERAL FLATTEN(input => solved.solution) AS r
CROSS JOIN LATERAL FLATTEN(input => r.value:x) AS u
