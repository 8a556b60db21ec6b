"""Every format of a file with conversations: what its fields mean, never how a file is opened."""
