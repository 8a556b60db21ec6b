"""Probabilities for files of any size, on all cores or a Ray cluster."""
