{{ config(materialized='table') }}

select *
from {{ sqlstab.stable(source('raw', 'item_embeddings'), maps=ref('embedding_maps'), side='items', run='ds', id='id') }}
