"""From the raw outputs of a frame to the maps of its tasks."""

from typing import Mapping

import numpy as np
import torch

from mtshare_ros.errors import ModelError
from mtshare_ros.inference.geometric import GeometryDecoder, Sources
from mtshare_ros.inference.geometry import Pinhole
from mtshare_ros.inference.map_operator import choose_decoder
from mtshare_ros.inference.maps import MapDecoder
from mtshare_ros.inference.postprocess import holds_numbers_only
from mtshare_ros.inference.session import Session
from mtshare_ros.model.architecture import ArchitectureConfig
from mtshare_ros.model.head_config import GEOMETRY
from mtshare_ros.sharing.account import FrameAccount
from mtshare_ros.tasks import get_task, ordered


class FrameDecoder:
    """
    Keeps the maps of a camera, which lie in its session, up to its raw outputs.

    ``tasks`` are all of a model; those without weights are worked out from what the others give.
    ``sides`` are by task the pixels of a network's raw output along a side of a cell. ``notices``
    are what the user should be told about the device. Raises ModelError for a task that cannot be
    worked out.
    """

    def __init__(
        self, tasks: tuple[str, ...], shape: ArchitectureConfig, sides: Mapping[str, int],
        device: torch.device,
    ) -> None:
        self.derived = _derived(tasks, shape, sides)
        all_sides = {**sides, **{task: sides['depth'] for task in self.derived}}
        geometry = {task: (task, side, shape.patch_size, shape.head_of(task).encoding)
                    for task, side in all_sides.items()}
        chosen = {task: choose_decoder(device, *given) for task, given in geometry.items()}
        self.notices = tuple(dict.fromkeys(
            notice for choice in chosen.values() for notice in choice.notices))
        self._maps = {task: MapDecoder(*given, decode=chosen[task].decode)
                      for task, given in geometry.items()}

    def needed(self, asked: tuple[str, ...]) -> tuple[str, ...]:
        """Return the tasks that a network has to compute for those that are asked for."""
        return ordered(source for made_of in self.sources_of(asked).values() for source in made_of)

    def sources_of(self, asked: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
        """Return by task the tasks of the network it is made of: itself, if it is one."""
        return {task: self.derived[task].sources if task in self.derived else (task,)
                for task in asked}

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
            if task in self.derived:
                self._renew(session, task, self._work_out(session, task, changes, camera))
        maps: dict[str, np.ndarray] = {}
        for task in asked:
            maps.update(self._maps[task].maps(session.maps[task]))
        return maps

    def _renew(self, session: Session, task: str, cells: torch.Tensor | None) -> None:
        """Decode cells (m,) of a raw output, None for all."""
        decoder, raw = self._maps[task], raw_output(session, task)
        state = session.maps_of(task, decoder)
        if cells is None:
            decoder.dense(state, raw)
        else:
            decoder.update(state, raw, cells)

    def _work_out(
        self, session: Session, task: str, changes: Mapping[str, torch.Tensor | None],
        camera: Pinhole,
    ) -> torch.Tensor | None:
        decoder, mask = self.derived[task], None
        if 'semseg' in decoder.sources:
            seen = session.maps['semseg']
            mask = seen.level.image(seen.maps[get_task('semseg').map])[0, 0]
        sources = Sources(raw_output(session, 'depth')[0, 0], mask, camera, changes,
                          session.cache.camera.frame)
        return decoder.update(session.derived_of(task, decoder), sources)


def raw_output(session: Session, task: str) -> torch.Tensor:
    """Return a task's raw output (1, C, h, w) float32 as of the last frame."""
    known = session.derived.get(task) or session.cache.camera.heads[task]
    return known.raw


def find_non_finite(session: Session, account: FrameAccount) -> tuple[str, ...]:
    """Return the tasks whose raw output holds NaN or infinity."""
    return tuple(task for task in account.tasks
                 if not holds_numbers_only(raw_output(session, task)))


def _derived(
    tasks: tuple[str, ...], shape: ArchitectureConfig, sides: Mapping[str, int]
) -> dict[str, GeometryDecoder]:
    """Return how tasks without weights are worked out."""
    names = [task for task in tasks if shape.head_of(task).kind == GEOMETRY]
    if names and 'depth' not in sides:
        raise ModelError(f'{", ".join(names)}: to be worked out from depth, which the model does '
                         'not have; import it with a depth head')
    encoding = shape.head_of('depth').encoding or get_task('depth').encoding
    return {task: GeometryDecoder(task, encoding, sides['depth'], shape.patch_size,
                                  labelled='semseg' in sides) for task in names}
