"""What speaks for a deal and against it, sentence by sentence."""
