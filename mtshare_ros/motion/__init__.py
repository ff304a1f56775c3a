"""A camera that moves: how it moved, and maps that are carried along with it."""
