"""How good the models are: measures, tables, pictures."""
