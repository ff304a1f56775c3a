"""From the raw outputs of a frame to the maps of its tasks."""

from typing import Mapping

import numpy as np
import torch

from mtshare_ros.image_frame import Pinhole
from mtshare_ros.inference.geometric import Sources
from mtshare_ros.inference.postprocess import holds_numbers_only
from mtshare_ros.inference.session import Session
from mtshare_ros.inference.task_decoders import TaskDecoders
from mtshare_ros.sharing.account import FrameAccount


class FrameDecoder:
    """Keeps the maps of a camera, which lie in its session, up to its raw outputs."""

    def __init__(self, decoders: TaskDecoders) -> None:
        self._decoders = decoders

    def decode(
        self, session: Session, account: FrameAccount, asked: tuple[str, ...], camera: Pinhole
    ) -> dict[str, np.ndarray]:
        """
        Bring the maps up to date; return copies of those asked for, by name in ``Prediction``.

        ``camera`` is that of the maps.
        """
        changes = {task: item.changed for task, item in account.tasks.items()}
        for task, cells in changes.items():
            self._renew(session, task, cells)
        for task in asked:
            if task in self._decoders.derived:
                self._renew(session, task, self._work_out(session, task, changes, camera))
        maps: dict[str, np.ndarray] = {}
        for task in asked:
            maps.update(self._decoders.maps[task].maps(session.maps[task]))
        return maps

    def _renew(self, session: Session, task: str, cells: torch.Tensor | None) -> None:
        """Decode cells (m,) of a raw output, None for all."""
        decoder = self._decoders.maps[task]
        decoder.update(session.maps_of(task, decoder), raw_output(session, task), cells)

    def _work_out(
        self, session: Session, task: str, changes: Mapping[str, torch.Tensor | None],
        camera: Pinhole,
    ) -> torch.Tensor | None:
        decoder, mask = self._decoders.derived[task], None
        if 'semseg' in decoder.sources:
            mask = self._decoders.mask(session.maps['semseg'])
        sources = Sources(raw_output(session, 'depth')[0, 0], mask, camera, changes,
                          session.cache.camera.frame)
        return decoder.update(session.derived_of(task, decoder), sources)


def raw_output(session: Session, task: str) -> torch.Tensor:
    """Return a task's raw output (1, C, h, w) float32 as of the last frame."""
    if session.static is not None:
        return session.static.raw(task)
    known = session.derived.get(task) or session.cache.camera.heads[task]
    return known.raw


def find_non_finite(session: Session, account: FrameAccount) -> tuple[str, ...]:
    """Return the tasks whose raw output holds NaN or infinity."""
    return tuple(task for task in account.tasks
                 if not holds_numbers_only(raw_output(session, task)))
