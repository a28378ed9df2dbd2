SELECT raw.id
FROM {{ ref('known_items') }} AS raw
LEFT JOIN {{ ref('raw_items_again') }} AS again ON again.id = raw.id
WHERE again.id IS NULL OR NOT (abs(raw.x - again.x) < 1e-12 AND abs(raw.y - again.y) < 1e-12)
