-- Both sides have one Gram matrix, the diagonal of the singular values of the scores.
SELECT *
FROM (
    SELECT
        (SELECT sum(x * x) FROM {{ ref('stable_users') }}) - (SELECT sum(x * x) FROM {{ ref('stable_items') }}) AS first,
        (SELECT sum(y * y) FROM {{ ref('stable_users') }}) - (SELECT sum(y * y) FROM {{ ref('stable_items') }}) AS second,
        (SELECT sum(x * y) FROM {{ ref('stable_users') }}) AS across
) AS differences
WHERE NOT (abs(first) < 1e-12 AND abs(second) < 1e-12 AND abs(across) < 1e-12)
