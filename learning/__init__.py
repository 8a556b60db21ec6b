"""Outcomes that came back, and what is made of them: retraining, trials of models, what to look up next."""
