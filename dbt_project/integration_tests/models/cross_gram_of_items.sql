{{ sqlstab.cross_gram(ref('known_items'), ref('turned_items'), 'items') }}
