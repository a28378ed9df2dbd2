{{ sqlstab.apply(ref('known_items'), 'items') }}
