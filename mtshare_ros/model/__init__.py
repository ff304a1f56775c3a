"""The dense network: backbone, decode heads, preprocessing and checkpoints."""
