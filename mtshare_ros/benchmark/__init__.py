"""The benchmark: the engine against dense networks and carried maps, on the same frames."""
