"""`python -m sqlstab`."""

from sqlstab.cli import main

main()
