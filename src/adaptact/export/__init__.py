"""A trained run in use: scoring new rows."""
