"""One validated conversation: reading, splitting, its sentences, its model text."""
