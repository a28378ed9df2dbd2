SELECT
    id,
    embedding
FROM {{ source('recommender', 'items') }}
