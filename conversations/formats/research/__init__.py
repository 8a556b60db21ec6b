"""What researchers publish: dialogues with their outcomes in a second file."""
