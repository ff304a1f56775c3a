"""Semantic, depth, normal and edge maps from one camera, computing only what changed."""

__version__ = '0.1.0'
