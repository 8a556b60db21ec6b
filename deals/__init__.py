"""Several conversations of one deal."""
