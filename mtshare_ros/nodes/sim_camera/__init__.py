"""The simulated camera: images of rendered rooms, with their true maps."""
