{{ sqlstab.apply(ref('user_embeddings'), 'users') }}
