"""The tables of the prediction store, for SQLAlchemy; `migrations/` makes them, and a test holds the two together."""
