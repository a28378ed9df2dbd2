{{ sqlstab.apply(ref('known_users'), 'users') }}
