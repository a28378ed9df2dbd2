{{ sqlstab.run_row() }}
