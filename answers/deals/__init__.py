"""Deals that are answered together."""
