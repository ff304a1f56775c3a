"""Sharing while the camera moves: what is remembered moves with the world."""
