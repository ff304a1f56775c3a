"""The tasks without weights of a dense side: worked out of what its networks give, whole."""

from dataclasses import dataclass, field
from typing import Mapping, Sequence

import torch

from mtshare_ros.inference.geometric import GeometryState, Sources
from mtshare_ros.inference.geometry import centred_camera, usual_focal_length
from mtshare_ros.inference.task_decoders import TaskDecoders
from mtshare_ros.model.framing import frame_to_cover
from mtshare_ros.model.network import MultiTaskNetwork
from mtshare_ros.pinhole import Pinhole
from mtshare_ros.tasks import get_task, ordered


@dataclass(frozen=True)
class DenseGeometry:
    """How tasks that a network has no head for are worked out, for frames of one size."""

    decoders: TaskDecoders
    grid: tuple[int, int]
    camera: Pinhole
    states: dict[str, GeometryState] = field(default_factory=dict)

    @classmethod
    def of(
        cls, network: MultiTaskNetwork, tasks: Sequence[str], size: tuple[int, int],
        camera: Pinhole | None = None,
    ) -> 'DenseGeometry':
        """Return that of the asked tasks; without a ``camera`` that of the maps is a usual one."""
        shape = network.config
        sides = {task: shape.side_of(shape.head_of(task)) for task in network.tasks}
        usual = centred_camera(usual_focal_length(frame_to_cover(size, size)), size)
        decoders = TaskDecoders(
            ordered((*network.tasks, *tasks)), shape, sides, torch.device('cpu'))
        return cls(decoders, shape.grid_of(size), camera or usual)

    def of_network(self, tasks: Sequence[str]) -> tuple[str, ...]:
        """Return the tasks of the network that the asked ones are made of, or are."""
        return self.decoders.needed(tuple(tasks))

    def without_heads(self, tasks: Sequence[str]) -> tuple[str, ...]:
        """Return those of the asked tasks that are worked out."""
        return tuple(task for task in tasks if task in self.decoders.derived)

    def work_out(
        self, task: str, raw: Mapping[str, torch.Tensor], maps: Mapping[str, torch.Tensor]
    ) -> torch.Tensor:
        """Return a task's raw output (1, C, h, w) for all raw outputs and maps of a frame."""
        decoder = self.decoders.derived[task]
        if task not in self.states:
            self.states[task] = decoder.allocate(self.grid, raw['depth'].device)
        mask = maps[get_task('semseg').map] if 'semseg' in decoder.sources else None
        everything = dict.fromkeys(decoder.sources)
        decoder.update(self.states[task], Sources(
            raw['depth'][0, 0].float(), mask, self.camera, everything, frame=0))
        return self.states[task].raw
