"""Deals of a CRM: read, scored, and their scores written back."""
