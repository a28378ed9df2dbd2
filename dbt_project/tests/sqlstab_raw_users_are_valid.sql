-- Before anything is summed: ids and vectors of the raw users.
{{ sqlstab.invalid_vectors(sqlstab.raw('users'), 'users', dict(sqlstab.settings('users'), dimension=sqlstab.dimension())) }}
