"""How the maps of every task of a model are decoded, and brought up to date in a session."""

from dataclasses import replace
from typing import Mapping, Sequence, TYPE_CHECKING

import numpy as np
import torch

from mtshare_ros.errors import ModelError
from mtshare_ros.image_frame import Pinhole
from mtshare_ros.inference.map_decoder import (
    decode_patches,
    MapDecoder,
    MapState,
    PatchDecoder,
)
from mtshare_ros.inference.postprocess import holds_numbers_only
from mtshare_ros.inference.session import Session
from mtshare_ros.model.architecture import ArchitectureConfig, GEOMETRY
from mtshare_ros.sharing.frame_work import FrameWork
from mtshare_ros.sharing.sharing_settings import SharingSettings
from mtshare_ros.tasks import get_task, ordered

if TYPE_CHECKING:  # most models have weights for all of their tasks
    from mtshare_ros.inference.geometry_decoder import GeometryDecoder


def network_thresholds(
    sharing: SharingSettings, sources: Mapping[str, Sequence[str]]
) -> SharingSettings:
    """
    Return settings in which each task of the network has the lowest threshold of its users.

    ``sources`` are by asked task the tasks of the network from which it is computed: itself, where
    it is one of the network.
    """
    if not (sharing.temporal_thresholds or sharing.task_thresholds):
        return sharing
    users: dict[str, list[str]] = {}
    for task, made_of in sources.items():
        for source in made_of:
            users.setdefault(source, []).append(task)
    return replace(
        sharing,
        temporal_thresholds=_carried(
            sharing.temporal_thresholds, sharing.temporal_threshold, users),
        task_thresholds=_carried(sharing.task_thresholds, sharing.task_threshold, users))


def _carried(
    own: Mapping[str, float], usual: float, users: Mapping[str, Sequence[str]]
) -> dict[str, float]:
    return {**own, **{source: min(own.get(task, usual) for task in tasks)
                      for source, tasks in users.items()}}


class TaskDecoders:
    """
    The decoders of the maps of all ``tasks`` of a model.

    ``maps`` are the decoders by task, ``derived`` those that compute the raw output of a task
    without weights from the outputs of others. ``sides`` are by task the pixels of the network's
    raw output along a side of a patch. Raises ModelError for a task that cannot be derived.
    """

    def __init__(
        self, tasks: tuple[str, ...], shape: ArchitectureConfig, sides: Mapping[str, int],
        device: torch.device,
    ) -> None:
        self.derived = _derived(tasks, shape, sides)
        all_sides = {**sides, **{task: sides['depth'] for task in self.derived}}
        notices: list[str] = []
        self.maps: dict[str, MapDecoder] = {}
        for task, side in all_sides.items():
            given = task, side, shape.patch_size, shape.head_of(task).encoding
            decode: PatchDecoder = decode_patches
            if device.type != 'cpu':
                # only a GPU decodes with kernels, and loads their modules
                from mtshare_ros.inference.static.map_operator import choose_decoder
                chosen = choose_decoder(device, *given)
                decode = chosen.decode
                notices += chosen.notices
            self.maps[task] = MapDecoder(*given, decode=decode)
        self.notices = tuple(dict.fromkeys(notices))

    def needed(self, asked: tuple[str, ...]) -> tuple[str, ...]:
        """Return the tasks that a network has to compute for those that are asked for."""
        return ordered(source for made_of in self.sources_of(asked).values() for source in made_of)

    def sources_of(self, asked: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
        """Return by task the tasks of the network from which it is computed, or itself."""
        return {task: self.derived[task].sources if task in self.derived else (task,)
                for task in asked}

    def mask(self, state: MapState) -> torch.Tensor:
        """Return the class ids (H, W) of the semantic task."""
        return self.maps['semseg'].views(state)[get_task('semseg').map]


def _derived(
    tasks: tuple[str, ...], shape: ArchitectureConfig, sides: Mapping[str, int]
) -> 'dict[str, GeometryDecoder]':
    """Return the decoders of the tasks without weights."""
    names = [task for task in tasks if shape.head_of(task).kind == GEOMETRY]
    if not names:
        return {}
    if 'depth' not in sides:
        raise ModelError(f'{", ".join(names)}: to be computed from depth, which the model does '
                         'not have; import it with a depth head')
    # most models have weights for all of their tasks, and load none of this
    from mtshare_ros.inference.geometry_decoder import GeometryDecoder
    encoding = shape.head_of('depth').encoding or get_task('depth').encoding
    return {task: GeometryDecoder(task, encoding, sides['depth'], shape.patch_size,
                                  labelled='semseg' in sides) for task in names}


class FrameDecoder:
    """Brings the maps in a session up to date with its raw outputs."""

    def __init__(self, decoders: TaskDecoders) -> None:
        self._decoders = decoders

    def decode(
        self, session: Session, work: FrameWork, asked: tuple[str, ...], camera: Pinhole
    ) -> dict[str, np.ndarray]:
        """
        Bring the maps up to date; return copies of the asked ones, by name in ``Prediction``.

        ``camera`` is that of the maps.
        """
        changes = {task: item.changed for task, item in work.tasks.items()}
        for task, patches in changes.items():
            self._renew(session, task, patches)
        for task in asked:
            if task in self._decoders.derived:
                self._renew(session, task, self._derive(session, task, changes, camera))
        maps: dict[str, np.ndarray] = {}
        for task in asked:
            maps.update(self._decoders.maps[task].maps(session.maps[task]))
        return maps

    def _renew(self, session: Session, task: str, patches: torch.Tensor | None) -> None:
        """Decode patches (m,) of a raw output, None for all."""
        decoder = self._decoders.maps[task]
        decoder.update(session.maps_of(task, decoder), raw_output(session, task), patches)

    def _derive(
        self, session: Session, task: str, changes: Mapping[str, torch.Tensor | None],
        camera: Pinhole,
    ) -> torch.Tensor | None:
        """Update a derived raw output; return its patches (m,) that may differ, None for all."""
        decoder, mask = self._decoders.derived[task], None
        if 'semseg' in decoder.sources:
            mask = self._decoders.mask(session.maps['semseg'])
        return decoder.update(
            session.derived_of(task, decoder), raw_output(session, 'depth')[0, 0], mask, camera,
            changes=changes, frame=session.cache.camera.frame)


def raw_output(session: Session, task: str) -> torch.Tensor:
    """Return a task's raw output (1, C, h, w) float32 as of the last frame."""
    if session.static is not None:
        return session.static.raw(task)
    known = session.derived.get(task) or session.cache.camera.heads[task]
    return known.raw


def find_non_finite(session: Session, work: FrameWork) -> tuple[str, ...]:
    """Return the tasks whose raw output holds NaN or infinity."""
    return tuple(task for task in work.tasks
                 if not holds_numbers_only(raw_output(session, task)))
