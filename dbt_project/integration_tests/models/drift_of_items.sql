{{ sqlstab.drift(ref('known_items'), ref('turned_items'), 'items') }}
