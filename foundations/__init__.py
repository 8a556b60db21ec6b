"""Errors, files, settings, log, database: knows nothing of sales."""
