"""What recorders of calls and meetings export."""
