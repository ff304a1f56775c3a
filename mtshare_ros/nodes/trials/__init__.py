"""Nodes that try the perception node: a monitor, a soak test, and what the benchmark measures."""
