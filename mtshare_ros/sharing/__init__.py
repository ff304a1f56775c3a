"""Computing only what changed: token gates, incremental blocks, and the cache they share."""
