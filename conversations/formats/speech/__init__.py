"""What speech-to-text engines make of a recording."""
