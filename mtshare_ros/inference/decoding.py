"""From the raw outputs of a frame to the maps of its tasks."""

from typing import Mapping

import numpy as np
import torch

from mtshare_ros.inference.maps import MapDecoder
from mtshare_ros.inference.postprocess import holds_numbers_only
from mtshare_ros.inference.session import Session
from mtshare_ros.sharing.account import FrameAccount


class FrameDecoder:
    """
    Keeps the maps of a camera, which lie in its session, up to its raw outputs.

    ``sides`` are by task the pixels of its raw output along a side of a cell.
    """

    def __init__(self, sides: Mapping[str, int], patch_size: int) -> None:
        self._decoders = {task: MapDecoder(task, side, patch_size)
                          for task, side in sides.items()}

    def decode(self, session: Session, account: FrameAccount) -> dict[str, np.ndarray]:
        """Bring the maps up to date and return copies by name in ``Prediction``."""
        maps: dict[str, np.ndarray] = {}
        for task, item in account.tasks.items():
            decoder, raw = self._decoders[task], raw_output(session, task)
            state = session.maps_of(task, decoder)
            if item.changed is None:
                decoder.dense(state, raw)
            else:
                decoder.update(state, raw, item.changed)
            maps.update(decoder.maps(state))
        return maps


def raw_output(session: Session, task: str) -> torch.Tensor:
    """Return a task's raw output (1, C, h, w) float32 as of the last frame."""
    return session.cache.camera.heads[task].raw


def find_non_finite(session: Session, account: FrameAccount) -> tuple[str, ...]:
    """Return the tasks whose raw output holds NaN or infinity."""
    return tuple(task for task in account.tasks
                 if not holds_numbers_only(raw_output(session, task)))
