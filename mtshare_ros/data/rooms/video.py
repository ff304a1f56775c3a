"""A camera in a room as a stream of frames that can be asked for in any order."""

import numpy as np

from mtshare_ros.data.rooms.camera_paths import MOTIONS
from mtshare_ros.data.rooms.motions import camera_motion
from mtshare_ros.data.rooms.paced_paths import path_of
from mtshare_ros.data.rooms.renderer import LIVE, Quality, Renderer
from mtshare_ros.data.rooms.room_frame import RoomFrame
from mtshare_ros.data.rooms.scene import make_room
from mtshare_ros.data.rooms.sensor import DEFAULT_SENSOR, SensorModel

GRAIN = 0.22
"""How strong the fine texture of the textured motions is."""

_METERING_TIMES = (0.0, 3.1, 7.7, 12.9, 19.3)


class RoomVideo:
    """
    A video of a room: the same seed, motion and index always give the same pixels.

    ``motion`` names one of CAMERA_MOTIONS; ``noise`` multiplies the sensor's noise, 0 switches it
    off; ``rate_hz`` is the frame rate.
    Raises ConfigError for an unknown motion, MissingExtraError without numba.
    Any index from 0 on has a frame: the paths never end.
    """

    def __init__(self, *, seed: int, motion: str, height: int = 240, width: int = 320,
                 rate_hz: float = 30.0, quality: Quality = LIVE, noise: float = 1.0,
                 sensor: SensorModel = DEFAULT_SENSOR) -> None:
        self.seed, self.motion, self.rate_hz = seed, motion, rate_hz
        self.room = make_room(seed)
        look = camera_motion(motion)
        self.path = path_of(self.room, look)
        self.sensor = sensor.with_noise(noise)
        self._renderer = Renderer(height=height, width=width, quality=quality,
                                  grain=GRAIN if look.textured else 0.0)
        self._noise_stream = seed * len(MOTIONS) + MOTIONS.index(look.kind)
        self._gain = self._meter()

    @property
    def intrinsics(self) -> np.ndarray:
        """Return K (3, 3) float64; whole numbers are pixel centres."""
        return self._renderer.intrinsics

    def frame(self, index: int) -> RoomFrame:
        """Return the frame of an index, counted from 0."""
        time_s = index / self.rate_hz
        pose = self.path(time_s)
        rendering = self._renderer.render(self.room, pose, time_s)
        image = self.sensor.expose(rendering.radiance, self._gain * self.sensor.drift(time_s),
                                   self._noise_seed(index))
        return rendering.frame(image, self.intrinsics, pose)

    def _noise_seed(self, index: int) -> int:
        # a video has fewer frames than that, so other rooms and other kinds of motion never get
        # the same noise; a method, because calibration films a video again with other noise
        return self._noise_stream * 1_000_003 + index

    def _meter(self) -> float:
        """Set the exposure once, from small frames along the path."""
        small = Renderer(height=60, width=80, quality=LIVE)
        radiance = [small.render(self.room, self.path(time_s), time_s).radiance
                    for time_s in _METERING_TIMES]
        return self.sensor.gain(np.stack(radiance))
