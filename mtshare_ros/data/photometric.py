"""Photometric distortion, as the literature on these data sets trains with."""

import numpy as np

BRIGHTNESS = 32.0
"""Largest shift, of 255."""
CONTRAST = SATURATION = (0.5, 1.5)
HUE_DEGREES = 36.0
"""18 of the steps of 2 degrees that OpenCV counts hue in."""
_CHANCE = 0.5


def distort_colors(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """
    Vary the colours of an image (H, W, 3) uint8 RGB; return the same kind.

    Brightness, contrast, saturation and hue, each in half of the images; contrast before or after
    the others.
    """
    pixels = image.astype(np.float32)
    contrast_first = random.random() < _CHANCE
    if random.random() < _CHANCE:
        pixels += random.uniform(-BRIGHTNESS, BRIGHTNESS)
    contrast = random.uniform(*CONTRAST) if random.random() < _CHANCE else 1.0
    if contrast_first:
        pixels *= contrast
    saturation = random.uniform(*SATURATION) if random.random() < _CHANCE else 1.0
    turn = random.uniform(-HUE_DEGREES, HUE_DEGREES) if random.random() < _CHANCE else 0.0
    if (saturation, turn) != (1.0, 0.0):
        pixels = shift_saturation_and_hue(pixels.clip(0, 255), saturation, turn)
    if not contrast_first:
        pixels *= contrast
    return pixels.clip(0, 255).round().astype(np.uint8)


def shift_saturation_and_hue(pixels: np.ndarray, factor: float, degrees: float) -> np.ndarray:
    """
    Multiply the saturation and turn the hue of pixels (H, W, 3) in 0-255, in HSV.

    Saturation ends at 1; the value, the largest channel, stays.
    """
    value = pixels.max(axis=-1)
    chroma = value - pixels.min(axis=-1)
    sextant = _sextant(pixels, value, chroma) + degrees / 60
    chroma = np.minimum(chroma * factor, value)
    channels = []
    for offset in (5, 3, 1):  # red, green, blue
        place = (sextant + offset) % 6
        channels.append(value - chroma * np.minimum(place, 4 - place).clip(0, 1))
    return np.stack(channels, axis=-1)


def _sextant(pixels: np.ndarray, value: np.ndarray, chroma: np.ndarray) -> np.ndarray:
    """Return the hue (H, W) in 0-6, 60 degrees each from red by way of green."""
    red, green, blue = np.moveaxis(pixels, -1, 0)
    divisor = np.maximum(chroma, 1e-6)
    return np.where(value == red, (green - blue) / divisor,
                    np.where(value == green, (blue - red) / divisor + 2,
                             (red - green) / divisor + 4))
