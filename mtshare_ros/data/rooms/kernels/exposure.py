"""From linear radiance to the 8-bit image of a camera."""

import math

import numpy as np

from mtshare_ros.data.rooms.kernels.compiler import inlined, kernel

_GOLDEN = np.uint64(0x9e3779b97f4a7c15)
_MIX_1 = np.uint64(0xbf58476d1ce4e5b9)
_MIX_2 = np.uint64(0x94d049bb133111eb)
_MASK = np.uint64(0xfff)
_ZERO, _ONE = np.float32(0), np.float32(1)
_SHOULDER = np.float32(0.22)


@inlined
def _random_bits(counter):
    """Return 64 pseudo-random bits of a counter (SplitMix64)."""
    bits = counter * _GOLDEN
    bits = (bits ^ (bits >> np.uint64(30))) * _MIX_1
    bits = (bits ^ (bits >> np.uint64(27))) * _MIX_2
    return bits ^ (bits >> np.uint64(31))


@inlined
def _digital(light, deviate, shot_square, read_square, curve):
    """Return the 8-bit value of a channel: shoulder, shot and read noise, tone curve."""
    value = light / (_ONE + _SHOULDER * light * light)
    value += deviate * math.sqrt(value * shot_square + read_square)
    value = min(max(value, _ZERO), _ONE)
    return curve[int(math.sqrt(value) * np.float32(4095))]


@kernel
def expose(radiance, gains, vignette, shot, read, deviates, seed, curve, image):
    """
    Fill ``image`` (H, W, 3) uint8.

    ``gains`` (3,) multiply the channels; ``vignette`` is the loss of light in the corners;
    ``deviates`` (4096,) are normal quantiles; ``curve`` (4096,) uint8 is indexed by the square
    root of the light; ``seed`` uint64 decides the noise.
    """
    height, width, _ = radiance.shape
    shot_square, read_square = np.float32(shot * shot), np.float32(read * read)
    # half, because the squared distance from the middle is 2 in the corners
    fall = np.float32(vignette / 2)
    for y in range(height):
        down = np.float32(2 * y / (height - 1) - 1)
        for x in range(width):
            right = np.float32(2 * x / (width - 1) - 1)
            light = _ONE - fall * (right * right + down * down)
            # one random number is enough for three channels, of which each takes 12 bits
            bits = _random_bits(seed + np.uint64(y * width + x))
            image[y, x, 0] = _digital(
                radiance[y, x, 0] * gains[0] * light, deviates[int(bits & _MASK)],
                shot_square, read_square, curve)
            image[y, x, 1] = _digital(
                radiance[y, x, 1] * gains[1] * light,
                deviates[int((bits >> np.uint64(20)) & _MASK)], shot_square, read_square, curve)
            image[y, x, 2] = _digital(
                radiance[y, x, 2] * gains[2] * light,
                deviates[int((bits >> np.uint64(40)) & _MASK)], shot_square, read_square, curve)
