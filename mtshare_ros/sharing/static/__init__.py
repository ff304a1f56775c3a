"""Frames whose shapes never depend on data, as CUDA graphs need them."""
