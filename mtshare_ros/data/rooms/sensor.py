"""A camera's sensor: exposure, white balance, vignette, noise, tone curve."""

from dataclasses import dataclass, replace
from functools import lru_cache
import math
from statistics import NormalDist

import numpy as np

from mtshare_ros.errors import import_extra

# the kernel picks noise and tone by 12 bits
_STEPS = 4096
_MASK_64 = (1 << 64) - 1


@dataclass(frozen=True)
class SensorModel:
    """
    How linear radiance becomes an 8-bit image.

    ``shot`` is the standard deviation of the photon noise at full scale (it grows with the root
    of the light), ``read`` that of the electronics, both in units of full scale. ``exposure`` is
    what the median of the reference frame is mapped to, ``exposure_drift`` the relative swing of
    the exposure over ``drift_period_s``. ``vignette`` is the loss of light in the corners.
    """

    shot: float = 0.02
    read: float = 0.006
    exposure: float = 0.38
    white_balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    vignette: float = 0.15
    gamma: float = 2.0
    exposure_drift: float = 0.04
    drift_period_s: float = 23.0

    def without_noise(self) -> 'SensorModel':
        """Return the same sensor, free of noise."""
        return self.with_noise(0.0)

    def with_noise(self, factor: float) -> 'SensorModel':
        """Return the same sensor, its noise multiplied."""
        return replace(self, shot=self.shot * factor, read=self.read * factor)

    def gain(self, radiance: np.ndarray) -> float:
        """Return the gain that exposes a reference frame (..., 3) properly."""
        return self.exposure / max(float(np.median(radiance)), 1e-3)

    def drift(self, time_s: float) -> float:
        """Return the factor of the automatic exposure's slow swing at a time."""
        return 1.0 + self.exposure_drift * math.sin(2 * math.pi * time_s / self.drift_period_s)

    def expose(self, radiance: np.ndarray, gain: float, seed: int) -> np.ndarray:
        """Return the image (H, W, 3) uint8 of linear radiance; the seed decides the noise."""
        import_extra('numba', 'rendering the procedural rooms', 'rooms')
        # not at the top, because it needs numba
        from mtshare_ros.data.rooms.kernels.exposure import expose

        image = np.empty(radiance.shape, np.uint8)
        gains = np.asarray(self.white_balance, np.float32) * np.float32(gain)
        start = np.uint64((seed * 0x9e3779b97f4a7c15 + 0x632be59bd9b4e019) & _MASK_64)
        expose(radiance, gains, self.vignette, self.shot, self.read, _normal_quantiles(),
               start, _tone_curve(self.gamma), image)
        return image


DEFAULT_SENSOR = SensorModel()


def random_sensor(rng: np.random.Generator) -> SensorModel:
    """Draw a sensor for training: noise, exposure, colour and curve all vary."""
    return SensorModel(
        shot=float(rng.uniform(0.01, 0.05)),
        read=float(rng.uniform(0.003, 0.015)),
        exposure=float(rng.uniform(0.28, 0.5)),
        white_balance=(float(rng.uniform(0.9, 1.1)), 1.0, float(rng.uniform(0.9, 1.1))),
        vignette=float(rng.uniform(0.0, 0.3)),
        gamma=float(rng.uniform(1.7, 2.3)),
    )


@lru_cache(maxsize=1)
def _normal_quantiles() -> np.ndarray:
    normal = NormalDist()
    return np.array([normal.inv_cdf((step + 0.5) / _STEPS) for step in range(_STEPS)], np.float32)


@lru_cache(maxsize=64)
def _tone_curve(gamma: float) -> np.ndarray:
    # the kernel looks up the root of the light, which leaves more steps for the dark
    light = (np.arange(_STEPS) / (_STEPS - 1)) ** 2
    return (light ** (1.0 / gamma) * 255.0 + 0.5).astype(np.uint8)
