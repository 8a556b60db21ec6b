"""The worker processes: what each is made of, and how they are started and ended."""
