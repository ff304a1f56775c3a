"""The pieces of a dense network: stem, encoders, heads, decoding, and tasks without a head."""

import copy
from dataclasses import dataclass, field, replace
from typing import Callable, Mapping, Sequence

import torch
from torch import nn

from mtshare_ros.image_frame import frame_to_cover, Pinhole
from mtshare_ros.inference.geometry_decoder import GeometryState
from mtshare_ros.inference.map_camera import centred_camera, usual_focal_length
from mtshare_ros.inference.map_decoder import MapDecoder
from mtshare_ros.inference.postprocess import decode_pixels
from mtshare_ros.inference.task_decoders import TaskDecoders
from mtshare_ros.model.backbone import Attention, Block, Mlp, Normalize, RotaryTable, StemFeatures
from mtshare_ros.model.heads import HeadInput
from mtshare_ros.model.network import fuse_batch_norm, MultiTaskNetwork
from mtshare_ros.sharing.enlargement import enlarge
from mtshare_ros.sharing.linear import PackedLinear
from mtshare_ros.sharing.taps import Tap, taps_of
from mtshare_ros.tasks import get_task, ordered


@dataclass(frozen=True)
class DenseOutputs:
    """Raw outputs (1, C, H/4, W/4) by task and maps (H, W, ...) by field, on the device."""

    raw: dict[str, torch.Tensor] = field(default_factory=dict)
    maps: dict[str, torch.Tensor] = field(default_factory=dict)


Compute = Callable[[torch.Tensor], DenseOutputs]
"""A function from an image (1, 3, H, W) uint8 on the device to the outputs of all its tasks."""


class StemPiece(nn.Module):
    """From the uint8 image (1, 3, H, W) to tokens (1, T, D) and the finer features, if any."""

    def __init__(self, network: MultiTaskNetwork, grid: tuple[int, int]) -> None:
        super().__init__()
        config = network.config
        self.stem = network.stem
        self.normalize = Normalize(config.image_mean, config.image_std).to(
            network.stem.proj.weight.device)
        absolute, prefix = config.position == 'absolute', bool(config.prefix_tokens)
        self.register_buffer('position', network.position(grid).detach() if absolute else None)
        self.register_buffer('prefix', network.prefix.tokens.detach()[None] if prefix else None)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return tokens (1, T, D) and, from a convolutional stem, features at 1/8 and 1/4."""
        normalized = self.normalize(image).to(self.stem.proj.weight.dtype)
        features = self.stem(normalized)
        tokens = features.tokens.flatten(2).transpose(1, 2)
        if self.position is not None:
            tokens = tokens + self.position
        if self.prefix is not None:
            tokens = torch.cat((tokens, self.prefix), dim=1)
        if features.eighth is None:
            return (tokens,)
        return tokens, features.eighth, features.quarter


def taps_of_all(network: MultiTaskNetwork, tasks: Sequence[str]) -> tuple[Tap, ...]:
    """Return the taps that the heads of some tasks read, each once."""
    return tuple(dict.fromkeys(tap for task in tasks for tap in taps_of(network.config, task)))


class EncoderPiece(nn.Module):
    """All blocks of one task, from the first to the last, and the norm of taps that need it."""

    def __init__(
        self, network: MultiTaskNetwork, task: str, taps: Sequence[Tap] | None = None
    ) -> None:
        super().__init__()
        shared = network.config.shared_depth
        self.blocks = nn.ModuleList([*network.blocks[:shared], *network.own_blocks(task)])
        self.norm = network.final_norm(task)
        self.taps = tuple(taps or (Tap(len(self.blocks)),))

    def forward(
        self, tokens: torch.Tensor, *rotation: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        """Return tokens (1, T, D) of every tap; ``rotation`` is what ``rotation_of`` returns."""
        rotary = RotaryTable(*rotation) if rotation else None
        outputs = []
        for block in self.blocks:
            tokens = block(tokens, rotary)
            outputs.append(tokens)
        read = ((outputs[tap.block - 1], tap.normed) for tap in self.taps)
        return tuple(self.norm(output) if normed else output for output, normed in read)


class HeadPiece(nn.Module):
    """
    One decode head.

    ``places`` are the indices of the taps that it reads, in the order in which it reads them.
    """

    def __init__(
        self, network: MultiTaskNetwork, task: str, grid: tuple[int, int], taps: Sequence[Tap]
    ) -> None:
        super().__init__()
        self.head = network.heads[task]
        self.grid = grid
        self.places = tuple(taps.index(tap) for tap in taps_of(network.config, task))

    def arguments(
        self, tapped: Sequence[torch.Tensor], fine: Sequence[torch.Tensor]
    ) -> tuple[torch.Tensor, ...]:
        """Return the head's arguments: the taps that it reads, then the stem's features."""
        return (*(tapped[place] for place in self.places), *fine)

    def forward(self, *given: torch.Tensor) -> torch.Tensor:
        """Return raw output (1, C, h, w) for tokens (1, T, D) of every tap and finer features."""
        patches, count = self.grid[0] * self.grid[1], len(self.places)
        planes = tuple(tokens[:, :patches].transpose(1, 2).unflatten(2, self.grid)
                       for tokens in given[:count])
        prefix = tuple(tokens[:, patches:] for tokens in given[:count])
        return self.head(HeadInput(planes, prefix, StemFeatures(planes[0], *given[count:])))


class MapPiece(nn.Module):
    """Decodes the raw output of one task, in some encoding, to maps of the full size."""

    def __init__(self, task: str, size: tuple[int, int], encoding: str = '') -> None:
        super().__init__()
        self.task, self.size, self.encoding = task, size, encoding

    def forward(self, raw: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return maps (H, W, ...) by field of ``Prediction`` for raw output (1, C, h, w)."""
        large = enlarge(raw, self.size)
        # decoding overwrites its input, which must not be the raw output: that one is compared
        # later
        large = large.clone() if large is raw else large.contiguous()
        maps = decode_pixels(self.task, large.flatten(2), self.encoding)
        return {name: value[0].unflatten(0, large.shape[2:]) for name, value in maps.items()}


def piecewise_maps(
    task: str, grid: tuple[int, int], side: int, patch_size: int, encoding: str = ''
) -> Callable[[torch.Tensor], dict[str, torch.Tensor]]:
    """
    Return a function that decodes as ``MapPiece`` does, on the CPU by the engine's own decoder.

    The decoder takes some patches at a time, which keeps them in the processor's caches.
    """
    decoder = MapDecoder(task, side, patch_size, encoding)
    state = decoder.allocate(grid, torch.device('cpu'))

    def decode(raw: torch.Tensor) -> dict[str, torch.Tensor]:
        decoder.dense(state, raw)
        return {name: torch.from_numpy(value) for name, value in decoder.maps(state).items()}

    return decode


def base_encoder(network: MultiTaskNetwork) -> MultiTaskNetwork:
    """Return a copy in which every block is shared: the encoder of the base task alone."""
    alone = copy.deepcopy(network)
    alone.branches = nn.ModuleDict()
    alone.config = replace(network.config, shared_blocks=-1)
    return alone


def prepare(
    network: MultiTaskNetwork, device: torch.device, dtype: torch.dtype
) -> MultiTaskNetwork:
    """Return a copy for inference: batch norms folded, weights on the device in ``dtype``."""
    fused = fuse_batch_norm(network).to(device, dtype)
    return fused.to(memory_format=torch.channels_last)


def rotation_of(
    network: MultiTaskNetwork, grid: tuple[int, int], device: torch.device
) -> tuple[torch.Tensor, ...]:
    """Return cosines and sines (N, head_dim) of a grid; empty without rotary positions."""
    table = network.rotary(grid, device)
    return () if table is None else (table.cosine, table.sine)


def prepack(encoder: EncoderPiece) -> EncoderPiece:
    """Return a copy whose linear layers keep their weights in the layout of the CPU's kernels."""
    packed = copy.deepcopy(encoder)
    for block in packed.blocks:
        _prepack_block(block)
    return packed


def _prepack_block(block: Block) -> None:
    attention: Attention = block.attn
    attention.qkv, attention.proj = _Packed(attention.qkv), _Packed(attention.proj)
    block.mlp = _PackedMlp(block.mlp)


class _Packed(nn.Module):
    """A linear layer with packed weights; its kernel computes the activation after it as well."""

    def __init__(self, layer: nn.Linear, activation: str = 'none') -> None:
        super().__init__()
        self._linear = PackedLinear(layer.weight, layer.bias, dtype=layer.weight.dtype,
                                    activation=activation)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return (1, N, out) for (1, N, in)."""
        return self._linear(tokens[0])[None]


class _PackedMlp(nn.Module):
    """The MLP of a block with packed weights."""

    def __init__(self, mlp: Mlp) -> None:
        super().__init__()
        self.fc1, self.fc2 = _Packed(mlp.fc1, 'gelu'), _Packed(mlp.fc2)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return (1, N, D) for (1, N, D)."""
        return self.fc2(self.fc1(tokens))


@dataclass(frozen=True)
class DenseGeometry:
    """Works out the tasks that a network has no head for, in frames of one size."""

    decoders: TaskDecoders
    grid: tuple[int, int]
    camera: Pinhole
    states: dict[str, GeometryState] = field(default_factory=dict)

    @classmethod
    def of(
        cls, network: MultiTaskNetwork, tasks: Sequence[str], size: tuple[int, int],
        camera: Pinhole | None = None,
    ) -> 'DenseGeometry':
        """Return the geometry for some tasks; None for ``camera`` means a usual focal length."""
        shape = network.config
        sides = {task: shape.side_of(shape.head_of(task)) for task in network.tasks}
        usual = centred_camera(usual_focal_length(frame_to_cover(size, size)), size)
        decoders = TaskDecoders(
            ordered((*network.tasks, *tasks)), shape, sides, torch.device('cpu'))
        return cls(decoders, shape.grid_of(size), camera or usual)

    def of_network(self, tasks: Sequence[str]) -> tuple[str, ...]:
        """Return the tasks with heads that are needed to compute or to work out ``tasks``."""
        return self.decoders.needed(tuple(tasks))

    def without_heads(self, tasks: Sequence[str]) -> tuple[str, ...]:
        """Return the tasks among ``tasks`` that are worked out."""
        return tuple(task for task in tasks if task in self.decoders.derived)

    def work_out(
        self, task: str, raw: Mapping[str, torch.Tensor], maps: Mapping[str, torch.Tensor]
    ) -> torch.Tensor:
        """Return the raw output (1, C, h, w) of a task without a head, from those of the heads."""
        decoder = self.decoders.derived[task]
        if task not in self.states:
            self.states[task] = decoder.allocate(self.grid, raw['depth'].device)
        mask = maps[get_task('semseg').map] if 'semseg' in decoder.sources else None
        everything = dict.fromkeys(decoder.sources)
        decoder.update(self.states[task], raw['depth'][0, 0].float(), mask, self.camera,
                       changes=everything, frame=0)
        return self.states[task].raw
