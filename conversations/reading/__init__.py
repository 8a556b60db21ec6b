"""From bytes of many kinds to validated conversations."""
