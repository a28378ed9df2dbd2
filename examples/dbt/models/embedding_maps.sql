{{ config(materialized='incremental', unique_key='ds', full_refresh=false) }}

{{ sqlstab.fit_maps(
    users=source('raw', 'user_embeddings'), items=source('raw', 'item_embeddings'),
    run='ds', user_id='id', item_id='id', vector='embedding', dimension=32,
    again=var('again', [])) }}
