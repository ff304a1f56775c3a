"""The dense network as one module: an image in, all maps or raw outputs out."""

from typing import Callable, Sequence

import torch
from torch import nn

from mtshare_ros.errors import ConfigError
from mtshare_ros.export.onnx_file import example_image, Graph, IMAGE, Port
from mtshare_ros.inference.postprocess import fields_of
from mtshare_ros.model.backbone import AbsolutePosition, RotaryTable
from mtshare_ros.model.dpt_head import DptHead
from mtshare_ros.model.heads import DecodeHead
from mtshare_ros.model.network import fuse_batch_norm, MultiTaskNetwork
from mtshare_ros.sharing.enlargement import enlarge
from mtshare_ros.tasks import get_task, ordered, TASKS, UNLABELLED

MAPS, RAW, BOTH = 'maps', 'raw', 'both'
"""What a file returns: maps in full size, the raw outputs of the heads, or both."""

_PRODUCTS = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
"""Layers that can be computed in float16."""

RAW_PREFIX = 'raw_'
"""Prefix of the names of raw outputs in a file that has maps, too."""

ENCODINGS = {
    'class_logits': 'logits of the classes',
    'log_metres': 'natural logarithm of metres along the optical axis',
    'metres': 'metres along the optical axis',
    'disparity': 'inverse depth without scale and shift',
    'direction': 'vector of any length, x right, y down, z forward',
    'logit': 'logit of the probability',
}
"""What raw outputs hold, by encoding."""

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
    """Return the graph of a dense network for images of (height, width)."""
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
    """Return a copy for inference on one grid: batch norms folded, positions as constants."""
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


def decode_whole(
    task: str, raw: torch.Tensor, size: tuple[int, int], encoding: str = ''
) -> tuple[torch.Tensor, ...]:
    """
    Return the maps (H, W) or (H, W, channels), as ``fields_of``, of a raw output (1, C, h, w).

    They are those of ``inference.postprocess.decode``, except that an infinite depth stays one.
    """
    maps = _DECODERS[encoding or TASKS[task].encoding](enlarge(raw, size)[0])
    return maps[:len(fields_of(task, encoding))]


def _decode_classes(logits: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return the best class and its probability (H, W) uint8 for logits (C, H, W)."""
    best = logits.argmax(dim=0).float()
    probability = logits.softmax(dim=0).amax(dim=0)
    # false where it is NaN
    known = probability == probability
    return _to_byte(best, known, UNLABELLED), _to_byte(probability * 255, known, 0)


def _decode_probability(logit: torch.Tensor) -> tuple[torch.Tensor, ...]:
    probability = logit[0].sigmoid()
    return (_to_byte(probability * 255, probability == probability, 0),)


def _decode_metres(metres: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return (torch.where(metres[0] > 0, metres[0], torch.nan),)


def _decode_direction(direction: torch.Tensor) -> tuple[torch.Tensor, ...]:
    unit = direction / direction.square().sum(dim=0, keepdim=True).sqrt()
    return (unit.permute(1, 2, 0),)


def _to_byte(value: torch.Tensor, known: torch.Tensor, otherwise: int) -> torch.Tensor:
    # TensorRT does nothing with bytes but to cast them from and to floating point
    return torch.where(known, value, float(otherwise)).round().to(torch.uint8)


_DECODERS: dict[str, Callable[[torch.Tensor], tuple[torch.Tensor, ...]]] = {
    'class_logits': _decode_classes,
    'log_metres': lambda raw: (raw[0].exp(),),
    'metres': _decode_metres,
    'disparity': lambda raw: (raw[0],),
    'direction': _decode_direction,
    'logit': _decode_probability,
}


def halve_products(network: MultiTaskNetwork) -> None:
    """
    Let the products of a network, in place, take float16 in and give float16 out.

    The residual stream, the norms and the last layer of every head stay in float32.
    """
    kept = {id(layer) for head in network.heads.values() for layer in _last_layers(head)}
    network.stem.proj = _HalfProduct(network.stem.proj, torch.float32)
    _replace_in(network, kept)


class _HalfProduct(nn.Module):
    """A layer whose weights and input are float16."""

    def __init__(self, layer: nn.Module, result: torch.dtype = torch.float16) -> None:
        super().__init__()
        self._layer = layer.half()
        self._result = result

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return what the layer makes of values of any dtype."""
        return self._layer(values.half()).to(self._result)


class _SingleInput(nn.Module):
    """A layer that stays in float32, whatever comes in."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self._layer = layer

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return float32."""
        return self._layer(values.float())


def _replace_in(parent: nn.Module, kept: set[int]) -> None:
    for name, child in list(parent.named_children()):
        if id(child) in kept or isinstance(child, nn.BatchNorm2d):
            setattr(parent, name, _SingleInput(child))
        elif isinstance(child, _PRODUCTS):
            setattr(parent, name, _HalfProduct(child))
        # the stem has its half product already
        elif not isinstance(child, _HalfProduct):
            _replace_in(child, kept)


def _last_layers(head: nn.Module) -> list[nn.Module]:
    """Return the layers that give a head's output."""
    if isinstance(head, DecodeHead):
        return [head.predict]
    if isinstance(head, DptHead):
        return [head.out.conv3]
    return list(head.children())
