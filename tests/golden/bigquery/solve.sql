-- The two maps, from sums, by a function in JavaScript. Rows (name, i, j, value): name is users or items for the maps,
-- omega for the alignment, singular_values (j = 1), or that of a figure (i = j = 1).
SELECT
    CAST(r.name AS STRING) AS name,
    CAST(r.i AS INT64) AS i,
    CAST(k + 1 AS INT64) AS j,
    v AS value
FROM (
    SELECT sqlstab_solve(ARRAY_AGG(STRUCT(s.kind, s.side, CAST(s.i AS FLOAT64) AS i, CAST(s.j AS FLOAT64) AS j, s.value, CAST(s.n_rows AS FLOAT64) AS n_rows)), '{"dimension": 3, "reference_dimension": 3, "anchors": {"items": 1.0, "users": 0.1}}') AS solution
    FROM (
        SELECT 'gram' AS kind, t.side, t.i, t.j, t.value, t.n_rows FROM grams AS t
        UNION ALL SELECT 'cross' AS kind, t.side, t.i, t.j, t.value, t.n_rows FROM crosses AS t
        UNION ALL SELECT 'shared_run' AS kind, t.side, t.i, t.j, t.value, t.n_rows FROM shared_run AS t
        UNION ALL SELECT 'shared_reference' AS kind, t.side, t.i, t.j, t.value, t.n_rows FROM shared_reference AS t
    ) AS s
) AS solved
CROSS JOIN UNNEST(solved.solution) AS r
CROSS JOIN UNNEST(r.x) AS v WITH OFFSET AS k
