"""Running statements: one small class per way of reaching a database."""
