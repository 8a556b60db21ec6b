"""The closed conversations most like one: the index and its search."""
