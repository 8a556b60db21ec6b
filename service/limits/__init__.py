"""What one caller may take of a worker: connections, bytes, threads, time."""
