"""Who may ask, from where, how often, and who did what."""
