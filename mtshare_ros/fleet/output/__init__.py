"""The output of a fleet: where it lies, how files get there whole, and the manifest of them."""
