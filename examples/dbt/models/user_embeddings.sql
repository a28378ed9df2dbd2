SELECT
    id,
    embedding
FROM {{ source('recommender', 'users') }}
