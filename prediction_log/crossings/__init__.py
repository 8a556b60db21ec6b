"""Scores that crossed a line, and the queue in which they wait to be told."""
