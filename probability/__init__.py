"""From a score to a probability that can be trusted, and how good it is."""
