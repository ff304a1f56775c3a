"""A camera at rest that sees a bright square pass."""

import numpy as np

SIZE = (160, 224)


def frames(count: int, *, seed: int = 0, size: tuple[int, int] = SIZE) -> list[np.ndarray]:
    """Return images (H, W, 3) uint8 of a square of a patch and a half that moves to the right."""
    scene = np.random.default_rng(seed).integers(0, 120, (*size, 3)).astype(np.uint8)
    images = []
    for number in range(count):
        image = scene.copy()
        left = 8 + 6 * number % (size[1] - 32)
        image[32:56, left:left + 24] += 100
        images.append(image)
    return images
