"""How every task of a model is decoded, and what it is made of."""

from typing import Mapping

import torch

from mtshare_ros.errors import ModelError
from mtshare_ros.inference.geometric import GeometryDecoder
from mtshare_ros.inference.maps import MapDecoder, MapState
from mtshare_ros.inference.static.map_operator import choose_decoder
from mtshare_ros.model.architecture import ArchitectureConfig
from mtshare_ros.model.head_config import GEOMETRY
from mtshare_ros.tasks import get_task, ordered


class TaskDecoders:
    """
    The decoders of maps, and of tasks that have no weights.

    ``tasks`` are all of a model; those without weights are worked out from what the others give.
    ``sides`` are by task the pixels of a network's raw output along a side of a cell. ``maps`` and
    ``derived`` are by task how its maps are decoded and how it is worked out. Raises ModelError
    for a task that cannot be.
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
        self.maps = {task: MapDecoder(*given, decode=chosen[task].decode)
                     for task, given in geometry.items()}

    def needed(self, asked: tuple[str, ...]) -> tuple[str, ...]:
        """Return the tasks that a network has to compute for those that are asked for."""
        return ordered(source for made_of in self.sources_of(asked).values() for source in made_of)

    def sources_of(self, asked: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
        """Return by task the tasks of the network it is made of: itself, if it is one."""
        return {task: self.derived[task].sources if task in self.derived else (task,)
                for task in asked}

    def mask(self, state: MapState) -> torch.Tensor:
        """Return the classes (H, W) that the maps of the semantic task hold."""
        return self.maps['semseg'].views(state)[get_task('semseg').map]


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
