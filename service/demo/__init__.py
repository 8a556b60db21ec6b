"""A tour of a running service, which it knows by its address only."""
