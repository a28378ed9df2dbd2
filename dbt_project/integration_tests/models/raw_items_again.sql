{{ sqlstab.inverse(ref('stable_items'), 'items') }}
