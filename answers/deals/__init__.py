"""An answer about a deal of several conversations."""
