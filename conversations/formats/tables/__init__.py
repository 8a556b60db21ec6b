"""Delimited tables and what their columns mean."""
