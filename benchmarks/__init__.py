"""Measurements that are printed as tables, never asserted: machines differ and are shared."""
