"""What the package does on the GPU of a machine: right or wrong, how fast, and how far from it."""
