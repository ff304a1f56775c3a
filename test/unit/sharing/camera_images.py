"""Images of made-up cameras and of rooms, for the tests of the input gate."""

from functools import lru_cache

import numpy as np
import torch

from mtshare_ros.data.rooms.streams import STREAMS

GRID = (15, 20)
SIZE = (240, 320)


def as_image(array):
    """Return an (H, W, 3) array as the engine hands it on: (1, 3, H, W) uint8, channels last."""
    pixels = np.ascontiguousarray(np.clip(np.rint(array), 0, 255).astype(np.uint8))
    return torch.from_numpy(pixels).permute(2, 0, 1)[None]


def slope(low=70.0, high=220.0):
    """Return a still scene whose brightness rises from left to right."""
    return np.broadcast_to(np.linspace(low, high, SIZE[1])[None, :, None], (*SIZE, 3)).copy()


def texture(seed=0):
    """Return a carpet: grain of a few pixels, alike in all three colours."""
    grain = np.random.default_rng(seed).normal(size=(SIZE[0], 2 * SIZE[1]))
    for axis in (0, 1):
        grain = sum(np.roll(grain, step, axis) for step in range(4)) / 2
    return np.repeat((128 + 10 * grain)[:, :, None], 3, axis=2)


def noisy(scene, deviation, frames, seed=1):
    """Return frames of a scene with white noise of a deviation in grey levels."""
    random = np.random.default_rng(seed)
    return [as_image(scene + deviation * random.standard_normal(scene.shape, np.float32))
            for _ in range(frames)]


@lru_cache(maxsize=None)
def room_clip(motion, noise, frames=16, seed=STREAMS['static'].seeds[1]):
    """Return frames of one of the benchmark's rooms."""
    video = STREAMS[motion].video(seed, noise=noise)
    return [as_image(video.frame(index).image) for index in range(frames)]


def patches(image):
    """Return the pixels of each patch (N, 768) float32 of an image (1, 3, H, W)."""
    planes = image[0].float().unflatten(1, (GRID[0], 16)).unflatten(3, (GRID[1], 16))
    return planes.permute(1, 3, 0, 2, 4).flatten(2).flatten(0, 1).reshape(GRID[0] * GRID[1], -1)
