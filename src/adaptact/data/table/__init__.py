"""Tables of business data."""
