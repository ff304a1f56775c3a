"""Small frames with known maps."""

from dataclasses import dataclass, field
import pickle

import numpy as np

from mtshare_ros.image_frame import frame_to_cover
from mtshare_ros.inference.prediction import FrameStats, Prediction

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


@dataclass
class PersonFrame(Frame):
    human_parts: np.ndarray | None = None
    saliency: np.ndarray | None = None


def predicted(**maps):
    return Prediction.from_maps(frame_to_cover(SIZE, SIZE), FrameStats(1.0), maps)


def score(metric, prediction, truth):
    metric.update(prediction, truth)
    return metric.result()


def halves(left, right, dtype=np.uint8):
    values = np.full(SIZE, left, dtype)
    values[:, SIZE[1] // 2:] = right
    return values


def column(at, dtype=bool, value=1):
    values = np.zeros(SIZE, dtype)
    values[:, at] = value
    return values


def sent(values):
    """Return values as another process receives them."""
    return pickle.loads(pickle.dumps(values))  # noqa: S301 (they are our own)
