"""What the benchmark asks of a side: frames in, maps and raw outputs out."""

from typing import Protocol

import numpy as np
import torch

from mtshare_ros.inference.prediction import Prediction


class Side(Protocol):
    """
    One way of computing the maps, timed against the others on the same frames.

    ``form`` says in words how it is computed.
    """

    name: str
    form: str

    def start(self) -> None:
        """Begin another room: forget the one before."""

    def run(self, frame: np.ndarray) -> Prediction:
        """Compute the maps of one (H, W, 3) uint8 RGB frame, everything counted."""

    def raw(self, task: str) -> torch.Tensor:
        """Return the raw output (1, C, H/4, W/4) of the last frame."""
