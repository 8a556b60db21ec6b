"""Tells an address that the operator names of scores that crossed a line."""
