"""What was predicted, in a database, and what its figures say."""
