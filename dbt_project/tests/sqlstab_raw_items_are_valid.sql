-- Before anything is summed: ids and vectors of the raw items.
{{ sqlstab.invalid_vectors(sqlstab.raw('items'), 'items', dict(sqlstab.settings('items'), dimension=sqlstab.dimension())) }}
