"""Stages about outcomes that came back."""
