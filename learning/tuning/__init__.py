"""Settings searched on one's own data, and what unseen data say of them."""
