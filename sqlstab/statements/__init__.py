"""The text of statements: how it is put together, and how it differs by dialect."""
