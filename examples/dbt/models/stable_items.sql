{{ sqlstab.apply(ref('item_embeddings'), 'items') }}
