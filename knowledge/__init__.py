"""What this program knows about sales before it has seen a deal of yours: how the encoder is tuned, and the starter's head."""
