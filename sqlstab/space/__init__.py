"""Where the runs of a space are, and how one is written."""
