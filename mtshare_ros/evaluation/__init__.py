"""How good the maps of a model are, and how thresholds are calibrated to keep them so."""
