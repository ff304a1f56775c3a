"""The simulated camera: rendered rooms as images, with what is true of them."""
