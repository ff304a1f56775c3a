"""A dense network cut into the pieces that the dense contenders are put together of."""

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
"""From an image (1, 3, H, W) uint8 on the device to everything that is computed of it."""


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
    """Return where the heads of some tasks read the encoder, each place once."""
    return tuple(dict.fromkeys(tap for task in tasks for tap in taps_of(network.config, task)))


class EncoderPiece(nn.Module):
    """All blocks of one task, from the first to the last, and its final norm where heads read."""

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
        """Return (1, T, D) of every tap for (1, T, D); ``rotation`` is none, or cosines, sines."""
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

    ``places`` say which of the taps of an encoder it reads, in the order in which it does.
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
        """Return what the head is called with: its own of all taps, and the stem's features."""
        return (*(tapped[place] for place in self.places), *fine)

    def forward(self, *given: torch.Tensor) -> torch.Tensor:
        """Return raw output (1, C, h, w) for tokens (1, T, D) of every tap and finer features."""
        patches, count = self.grid[0] * self.grid[1], len(self.places)
        planes = tuple(tokens[:, :patches].transpose(1, 2).unflatten(2, self.grid)
                       for tokens in given[:count])
        prefix = tuple(tokens[:, patches:] for tokens in given[:count])
        return self.head(HeadInput(planes, prefix, StemFeatures(planes[0], *given[count:])))


class MapPiece(nn.Module):
    """The maps of one task in full size, from a raw output in some encoding."""

    def __init__(self, task: str, size: tuple[int, int], encoding: str = '') -> None:
        super().__init__()
        self.task, self.size, self.encoding = task, size, encoding

    def forward(self, raw: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return maps (H, W, ...) by field of ``Prediction`` for raw output (1, C, h, w)."""
        large = enlarge(raw, self.size)
        # decoding overwrites what it is given
        large = large.clone() if large is raw else large.contiguous()
        maps = decode_pixels(self.task, large.flatten(2), self.encoding)
        return {name: value[0].unflatten(0, large.shape[2:]) for name, value in maps.items()}


def piecewise_maps(
    task: str, grid: tuple[int, int], side: int, patch_size: int, encoding: str = ''
) -> Callable[[torch.Tensor], dict[str, torch.Tensor]]:
    """Return what ``MapPiece`` computes on the CPU, some patches at a time, as the engine does."""
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
    """Return cosines and sines (N, head_dim) of a grid, or nothing without rotary positions."""
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
    """A linear layer, packed; the activation behind it comes for nothing."""

    def __init__(self, layer: nn.Linear, activation: str = 'none') -> None:
        super().__init__()
        self._linear = PackedLinear(layer.weight, layer.bias, dtype=layer.weight.dtype,
                                    activation=activation)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return (1, N, out) for (1, N, in)."""
        return self._linear(tokens[0])[None]


class _PackedMlp(nn.Module):
    """The two layers of a block's MLP, packed."""

    def __init__(self, mlp: Mlp) -> None:
        super().__init__()
        self.fc1, self.fc2 = _Packed(mlp.fc1, 'gelu'), _Packed(mlp.fc2)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return (1, N, D) for (1, N, D)."""
        return self.fc2(self.fc1(tokens))


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
        decoder.update(self.states[task], raw['depth'][0, 0].float(), mask, self.camera,
                       changes=everything, frame=0)
        return self.states[task].raw
