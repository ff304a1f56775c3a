"""Small frames with known maps."""

from dataclasses import dataclass, field

import numpy as np

from mtshare_ros.inference.prediction import FrameStats, Prediction
from mtshare_ros.model.framing import frame_to_cover

SIZE = (16, 32)


def towards_camera(size=SIZE):
    return np.broadcast_to(np.array((0, 0, -1), np.float32), (*size, 3)).copy()


@dataclass
class Frame:
    image: np.ndarray = field(default_factory=lambda: np.zeros((*SIZE, 3), np.uint8))
    labels: np.ndarray = field(default_factory=lambda: np.zeros(SIZE, np.uint8))
    depth: np.ndarray = field(default_factory=lambda: np.full(SIZE, 2.0, np.float32))
    normals: np.ndarray = field(default_factory=towards_camera)
    edges: np.ndarray = field(default_factory=lambda: np.zeros(SIZE, bool))


def predicted(**maps):
    return Prediction(framing=frame_to_cover(SIZE, SIZE), stats=FrameStats(1.0), **maps)
