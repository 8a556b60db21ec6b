"""Which outcome to look up next, and which recorded one to look at again."""
