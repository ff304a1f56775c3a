"""The dense network as one module: an image in, all maps or raw outputs out."""

from typing import Sequence

import torch
from torch import nn

from mtshare_ros.errors import ConfigError
from mtshare_ros.export.graph import example_image, Graph, IMAGE, Port
from mtshare_ros.export.half import halve_products
from mtshare_ros.export.maps import decode_whole
from mtshare_ros.inference.postprocess import fields_of
from mtshare_ros.model.fusing import fuse_batch_norm
from mtshare_ros.model.network import MultiTaskNetwork
from mtshare_ros.model.position import AbsolutePosition, RotaryTable
from mtshare_ros.tasks import get_task, ordered

MAPS, RAW, BOTH = 'maps', 'raw', 'both'
"""What a file gives: maps in full size, what the heads give before that, or all of it."""

RAW_PREFIX = 'raw_'
"""Begins the name of a raw output beside maps."""

ENCODINGS = {
    'class_logits': 'logits of the classes',
    'log_metres': 'natural logarithm of metres along the optical axis',
    'metres': 'metres along the optical axis',
    'disparity': 'inverse depth without scale and shift',
    'direction': 'vector of any length, x right, y down, z forward',
    'logit': 'logit of the probability',
}
"""Raw outputs in words."""

_MAPS = {
    'class_logits': 'class of the label set, 255 where there is none',
    'log_metres': 'metres along the optical axis, for the focal length in the metadata',
    'metres': 'metres along the optical axis, for the focal length in the metadata',
    'disparity': 'inverse depth without scale and shift',
    'direction': 'unit vector out of the surface, x right, y down, z forward',
    'logit': 'probability, 0 to 255',
    'confidence': 'probability of the class, 0 to 255',
}


class DenseNetwork(nn.Module):
    """
    A network for images of one size; positions are constants.

    ``forward`` takes an image (H, W, 3) uint8 and returns the outputs of the tasks in order.
    """

    def __init__(
        self, network: MultiTaskNetwork, tasks: Sequence[str], size: tuple[int, int],
        outputs: str = MAPS, precision: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        grid = network.config.grid_of(size)
        self.network = _fixed(network, grid)
        if precision == torch.float16:
            halve_products(self.network)
        table = network.rotary(grid, torch.device('cpu'))
        self.register_buffer('cosine', None if table is None else table.cosine.clone())
        self.register_buffer('sine', None if table is None else table.sine.clone())
        self._tasks, self._size, self._outputs = tuple(tasks), size, outputs

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the maps of every task, or the raw outputs (1, C, h, w), all of one precision."""
        network = self.network
        rotary = None if self.cosine is None else RotaryTable(self.cosine, self.sine)
        # TensorRT takes uint8 where a cast comes first
        planes = image.float().permute(2, 0, 1)[None]
        given = network.encode(network.stem(network.normalize(planes)), self._tasks, rotary)
        raw = {task: network.heads[task](given[task]) for task in self._tasks}
        if self._outputs == RAW:
            return tuple(raw.values())
        maps = tuple(value for task in self._tasks for value in decode_whole(
            task, raw[task], self._size, network.config.head_of(task).encoding))
        return (*maps, *raw.values()) if self._outputs == BOTH else maps


def dense_graph(
    network: MultiTaskNetwork, tasks: Sequence[str], size: tuple[int, int], *,
    outputs: str = MAPS, precision: torch.dtype = torch.float32,
) -> Graph:
    """Return what becomes the file of a dense network for images of (height, width)."""
    module = DenseNetwork(network, tasks, size, outputs, precision)
    return Graph(module.eval().requires_grad_(False), (example_image(size),), (IMAGE,),
                 output_ports(network, tasks, outputs))


def choose_tasks(network: MultiTaskNetwork, asked: Sequence[str] | None) -> tuple[str, ...]:
    """Return the tasks to export; raise ConfigError for one that the network has no head for."""
    if asked is None:
        return network.tasks
    absent = [task for task in asked if task not in network.tasks]
    if absent or not asked:
        raise ConfigError(
            f'--tasks names {", ".join(absent) or "no task"}; of this model can be exported '
            f'{", ".join(network.tasks)}: other tasks have no weights, and are worked out from '
            'the depth by whoever runs the file')
    return ordered(asked)


def _fixed(network: MultiTaskNetwork, grid: tuple[int, int]) -> MultiTaskNetwork:
    """Return a copy for inference on one grid, batch norms folded and positions at hand."""
    fixed = fuse_batch_norm(network)
    if network.config.position == 'absolute':
        position = AbsolutePosition(grid, network.config.embed_dim)
        position.table = nn.Parameter(network.position(grid).detach().clone())
        fixed.position = position
    return fixed


def output_ports(
    network: MultiTaskNetwork, tasks: Sequence[str], outputs: str
) -> tuple[Port, ...]:
    """Return the outputs of a file for some tasks: their maps, or their raw outputs."""
    encodings = {task: network.config.head_of(task).encoding or get_task(task).encoding
                 for task in tasks}
    prefix = RAW_PREFIX if outputs == BOTH else ''
    raw = tuple(Port(f'{prefix}{task}', ENCODINGS[encodings[task]]) for task in tasks)
    fields = [(field.name, encodings[task])
              for task in tasks for field in fields_of(task, encodings[task])]
    maps = tuple(Port(name, _MAPS.get(name, _MAPS[encoding])) for name, encoding in fields)
    return {MAPS: maps, RAW: raw, BOTH: (*maps, *raw)}[outputs]
