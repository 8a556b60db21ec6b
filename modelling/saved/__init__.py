"""A trained model as files, and its way back."""
