{{ config(materialized='view') }}

select *
from {{ sqlstab.stable(source('raw', 'user_embeddings'), maps=ref('embedding_maps'), side='users', run='ds', id='id') }}
