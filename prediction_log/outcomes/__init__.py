"""How deals ended, as it came back, and what was made of it."""
