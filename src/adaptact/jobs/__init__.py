"""Jobs: thin entry points over plain functions, imported by name and late."""
