"""From an RGB frame to maps: the engine, its result, geometry and colour companions."""
