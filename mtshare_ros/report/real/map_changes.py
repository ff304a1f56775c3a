"""How much the maps of two predictions differ, and where an image stood still."""

from typing import Mapping

import numpy as np
import torch

from mtshare_ros.inference.prediction import Prediction
from mtshare_ros.model.backbone import to_tensor
from mtshare_ros.sharing.change import ChangeDetector, ChangeState

UNITS = {'mask': '%', 'depth': '%', 'normals': '°', 'edges': '%'}
"""
The maps that are compared, and the units.

``mask``: pixels of another class. ``depth``: mean of |a - b| / b. ``normals``: mean angle.
``edges``: mean difference of the probability.
"""

_NOTICED = 1.0
"""The score from which a patch counts as changed."""


def map_changes(
    found: Prediction, reference: Prediction, where: np.ndarray | None = None
) -> dict[str, float]:
    """
    Return by map how far one prediction is from another, in UNITS.

    ``where`` (H, W) bool are the pixels that count, None being all. Maps that one of them lacks,
    and those without a pixel to compare, are left out.
    """
    measures = {'mask': _mask, 'depth': _depth, 'normals': _normals, 'edges': _edges}
    changes = {}
    for name, measure in measures.items():
        one, other = getattr(found, name), getattr(reference, name)
        if one is None or other is None:
            continue
        values = measure(one, other) if where is None else measure(one, other)[where]
        values = values[np.isfinite(values)]
        if values.size:
            changes[name] = float(values.mean())
    return changes


class MeanChanges:
    """The mean over frames of what ``map_changes`` returns."""

    def __init__(self) -> None:
        self._found: dict[str, list[float]] = {}

    def add(self, changes: Mapping[str, float]) -> None:
        """Add a frame."""
        for name, value in changes.items():
            self._found.setdefault(name, []).append(value)

    def result(self) -> dict[str, float]:
        """Return the means by map."""
        return {name: float(np.mean(values)) for name, values in self._found.items()}


class StillPixels:
    """
    Tells which pixels of a film belong to patches that did not change since the frame before.

    The sharing engine's own detector decides, which takes the sensor's noise for no change.
    """

    def __init__(self, patch_size: int) -> None:
        self._patch_size = patch_size
        self._detector = ChangeDetector(torch.device('cpu'), patch_size)
        self._state: ChangeState | None = None

    def observe(self, image: np.ndarray) -> np.ndarray:
        """Take in a frame (H, W, 3) uint8; return (H, W) bool, all false for the first one."""
        side = self._patch_size
        grid = image.shape[0] // side, image.shape[1] // side
        if self._state is None:
            self._state = self._detector.allocate(grid)
        scores = self._detector.observe(
            self._state, to_tensor(np.ascontiguousarray(image), torch.device('cpu')))
        self._detector.transmit_all(self._state)
        still = (scores < _NOTICED).view(grid).numpy()
        return still.repeat(side, axis=0).repeat(side, axis=1)


def _mask(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return 100.0 * (one != other)


def _depth(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    known = np.isfinite(one) & np.isfinite(other) & (other > 0)
    change = np.full(one.shape, np.nan)
    change[known] = 100 * np.abs(one[known] - other[known]) / other[known]
    return change


def _normals(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    # The arc cosine of float32 products is off by a hundredth of a degree near 0; chords are not.
    chord = np.linalg.norm(one.astype(np.float64) - other, axis=-1)
    return np.degrees(2 * np.arcsin(np.clip(chord / 2, 0, 1)))


def _edges(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.abs(one.astype(np.float64) - other) / 2.55
