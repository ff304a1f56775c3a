"""Furnished indoor scenes from a seed, rendered with exact depth, normals, labels and edges."""
