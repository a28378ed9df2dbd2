{{ sqlstab.gram(ref('known_items'), 'items') }}
