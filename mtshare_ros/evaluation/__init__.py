"""How good the maps are, and how fast they come."""
