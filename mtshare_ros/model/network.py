"""The multi-task network: one stem, shared blocks, branches and decode heads."""

import copy
import hashlib
from typing import cast, Iterable, Iterator, Mapping, Sequence, TypeVar

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from mtshare_ros.config import require
from mtshare_ros.errors import ConfigError
from mtshare_ros.model.architecture import ArchitectureConfig
from mtshare_ros.model.backbone import (
    AbsolutePosition,
    Block,
    build_stem,
    Normalize,
    PrefixTokens,
    rotary_beyond,
    rotary_table,
    RotaryTable,
    StemFeatures,
)
from mtshare_ros.model.heads import build_heads, HeadInput
from mtshare_ros.tasks import ordered, TASKS

ModuleT = TypeVar('ModuleT', bound=nn.Module)

BACKBONE_PARTS = ('stem.', 'prefix.', 'position.', 'blocks.', 'norm.')
"""Prefixes of the names of a backbone's tensors; heads and branches are not part of it."""


class Branch(nn.Module):
    """
    The blocks and the norm of a sub-task above the shared blocks.

    ``blocks[0]`` corresponds to block number ``shared_depth`` of the base task, and so on.
    """

    def __init__(self, blocks: Iterable[Block], norm: nn.LayerNorm) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.norm = norm


class MultiTaskNetwork(nn.Module):
    """
    Computes the raw output of every wanted task from an RGB image.

    ``tasks`` are those with a head of their own; tasks whose map is computed from another task's
    map are not among them. ``base_task`` is the first. Its encoder is ``blocks`` and
    ``norm``, named as in timm; every sub-task shares the first S = ``config.shared_depth`` blocks
    with it and has a copy of the others in ``branches``: ``branches.depth.blocks.0.*`` is the
    depth's own version of ``blocks.S.*``, ``branches.depth.norm.*`` that of ``norm.*``. Branches
    begin equal to the base task: all delta weights are zero. There are no branches where every
    block is shared.

    Holds weights only, no state that one frame leaves for the next.
    """

    def __init__(
        self, config: ArchitectureConfig, tasks: Iterable[str], label_count: int
    ) -> None:
        super().__init__()
        self.config = config
        asked = ordered(tasks)
        heads = build_heads(config, asked, label_count)
        self.tasks = tuple(heads)
        require(bool(self.tasks), 'tasks', list(asked),
                f'at least one of {", ".join(TASKS)} with a head of its own')
        self.base_task = self.tasks[0]
        self.label_count = label_count
        self.normalize = Normalize(config.image_mean, config.image_std)
        self.stem = build_stem(config)
        if config.position == 'absolute':
            self.position = AbsolutePosition(
                config.table_grid, config.embed_dim, config.position_interpolation)
        if config.prefix_tokens:
            self.prefix = PrefixTokens(config.prefix_tokens, config.embed_dim)
        self.blocks = nn.ModuleList(
            Block(config.embed_dim, config.num_heads, config.mlp_ratio, config.norm_eps)
            for _ in range(config.depth)
        )
        self.norm = nn.LayerNorm(config.embed_dim, eps=config.norm_eps)
        self.heads = nn.ModuleDict(heads)
        self.apply(_initialise)
        self.branches = nn.ModuleDict(new_branches(self, config.shared_depth))

    def forward(
        self, image: torch.Tensor, tasks: Iterable[str] | None = None
    ) -> dict[str, torch.Tensor]:
        """
        Return the raw outputs by task id for RGB (B, 3, H, W) in 0-255, any dtype.

        A raw output is (B, C, rows x side, columns x side), ``side`` being that of the task's
        head. H and W are multiples of the patch size. ``tasks`` defaults to all the network has.
        """
        wanted = self.tasks if tasks is None else ordered(tasks)
        absent = [name for name in wanted if name not in self.heads]
        if absent:
            raise ConfigError(
                f'this model has no task {absent[0]!r}; it has {", ".join(self.tasks)}')
        given = self.encode(self.stem(self.normalize(image)), wanted)
        return {name: self.heads[name](given[name]) for name in wanted}

    def encode(
        self, features: StemFeatures, tasks: Sequence[str], rotary: RotaryTable | None = None
    ) -> dict[str, HeadInput]:
        """
        Return what each task's head reads; the shared blocks run once for all of them.

        ``rotary`` is the table that the method ``rotary`` returns for the grid; without it, it is
        looked up.
        """
        if rotary is None:
            grid = (features.tokens.shape[2], features.tokens.shape[3])
            rotary = self.rotary(grid, features.tokens.device)
        embedded = self.embed(features.tokens)
        # taps count from 1: index 0 is the input of the first block
        shared = [embedded, *_outputs(self.shared_blocks, embedded, rotary)]
        encoded = {
            encoder: [*shared, *_outputs(self.own_blocks(encoder), shared[-1], rotary)]
            for encoder in dict.fromkeys(self.encoder_of(name) for name in tasks)
        }
        taps = {name: self.config.taps_of(self.config.head_of(name)) for name in tasks}
        return {name: self.head_input(
            name, [encoded[self.encoder_of(name)][tap] for tap in taps[name]], features)
            for name in tasks}

    def head_input(
        self, task: str, outputs: Sequence[torch.Tensor], features: StemFeatures
    ) -> HeadInput:
        """Return what a task's head reads of its encoder's ``outputs`` (B, T, D) at the taps."""
        grid = (features.tokens.shape[2], features.tokens.shape[3])
        count = grid[0] * grid[1]
        normed = self.config.head_of(task).normed
        norm = self.final_norm(task) if normed else nn.Identity()
        tapped = [norm(output) for output in outputs]
        return HeadInput(
            tuple(tokens[:, :count].transpose(1, 2).unflatten(2, grid) for tokens in tapped),
            tuple(tokens[:, count:] for tokens in tapped), features)

    @property
    def shared_blocks(self) -> Sequence[Block]:
        """The blocks all tasks share, the first ``config.shared_depth``."""
        return cast(Sequence[Block], list(self.blocks)[:self.config.shared_depth])

    def encoder_of(self, task: str) -> str:
        """Return the task whose encoder a task uses: its own where it has one, else the base's."""
        return task if task in self.branches else self.base_task

    def own_blocks(self, task: str) -> Sequence[Block]:
        """Return the blocks above the shared ones that a task's tokens go through, in order."""
        if task in self.branches:
            return cast(Sequence[Block], list(self._branch(task).blocks))
        return cast(Sequence[Block], list(self.blocks)[self.config.shared_depth:])

    def final_norm(self, task: str) -> nn.LayerNorm:
        """Return the norm between a task's last block and its head."""
        return self._branch(task).norm if task in self.branches else self.norm

    def counterparts(self) -> dict[str, str]:
        """Return by name of each branch parameter that of the base task's in the same place."""
        return {
            f'branches.{task}.{name}': _name_in_base(name, self.config.shared_depth)
            for task, branch in self.branches.items() for name, _ in branch.named_parameters()
        }

    def embed(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return stem tokens (B, D, rows, columns) as the blocks' input (B, N + P, D)."""
        sequence = tokens.flatten(2).transpose(1, 2)
        if self.config.position == 'absolute':
            sequence = sequence + self.position((tokens.shape[2], tokens.shape[3]))
        return self.prefix(sequence) if self.config.prefix_tokens else sequence

    def rotary(self, grid: tuple[int, int], device: torch.device) -> RotaryTable | None:
        """Return the rotations of a (rows, columns) grid, None where positions are absolute."""
        config = self.config
        if config.position == 'absolute':
            return None
        return rotary_table(
            *grid, config.embed_dim // config.num_heads, device,
            centred=config.position == 'rope_centred', prefix_tokens=config.prefix_tokens)

    def rotary_beyond(
        self, grid: tuple[int, int], patches: torch.Tensor, view: tuple[int, int]
    ) -> RotaryTable | None:
        """As ``rotary`` for patches (n, 2), also beyond the grid; see ``backbone.py``."""
        config = self.config
        if config.position == 'absolute':
            return None
        return rotary_beyond(
            grid, patches, view, config.embed_dim // config.num_heads,
            centred=config.position == 'rope_centred', prefix_tokens=config.prefix_tokens)

    def _branch(self, task: str) -> Branch:
        return cast(Branch, self.branches[task])


def build_model(
    config: ArchitectureConfig, tasks: Iterable[str], label_count: int
) -> MultiTaskNetwork:
    """Return an untrained network; raise ConfigError for an unknown task."""
    return MultiTaskNetwork(config, tasks, label_count)


def new_branches(network: MultiTaskNetwork, shared: int) -> dict[str, Branch]:
    """Return for every sub-task a branch above ``shared`` blocks that equals the base task's."""
    if shared == network.config.depth:
        return {}
    own = list(network.blocks)[shared:]
    return {task: Branch(copy.deepcopy(own), copy.deepcopy(network.norm))
            for task in network.tasks[1:]}


def _name_in_base(name: str, shared: int) -> str:
    """Return ``blocks.<shared + i>.*`` for a branch's ``blocks.<i>.*``; ``norm.*`` stays."""
    if not name.startswith('blocks.'):
        return name
    _, number, rest = name.split('.', 2)
    return f'blocks.{shared + int(number)}.{rest}'


def _outputs(
    blocks: Iterable[Block], sequence: torch.Tensor, rotary: RotaryTable | None
) -> Iterator[torch.Tensor]:
    """Yield the output (B, T, D) of each block in turn."""
    for block in blocks:
        sequence = block(sequence, rotary)
        yield sequence


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def fuse_batch_norm(network: ModuleT) -> ModuleT:
    """Return a copy in evaluation mode whose convolution-norm pairs are single convolutions."""
    fused = copy.deepcopy(network).eval()
    for module in list(fused.modules()):
        if isinstance(module, nn.Sequential):
            _fuse_pairs(module)
    return fused


def _fuse_pairs(sequence: nn.Sequential) -> None:
    for index in range(len(sequence) - 1):
        first, second = sequence[index], sequence[index + 1]
        if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
            sequence[index] = fuse_conv_bn_eval(first, second)
            sequence[index + 1] = nn.Identity()


def is_backbone(name: str) -> bool:
    """Tell whether a tensor of a network belongs to its backbone."""
    return name.startswith(BACKBONE_PARTS)


def backbone_digest(tensors: Mapping[str, torch.Tensor]) -> str:
    """
    Return the sha256 of the backbone among a network's tensors, in hexadecimal.

    Name, shape and float32 values of every tensor count, so the digest is the same for each
    source of the same weights, and another for weights that were rounded to float16.
    """
    digest = hashlib.sha256()
    for name in sorted(filter(is_backbone, _floating(tensors))):
        value = tensors[name].detach().to('cpu', torch.float32).contiguous()
        digest.update(f'{name} {tuple(value.shape)}\n'.encode())
        digest.update(value.numpy().astype('<f4', copy=False).tobytes())
    return digest.hexdigest()


def first_difference(
    ours: Mapping[str, torch.Tensor], theirs: Mapping[str, torch.Tensor]
) -> str | None:
    """Return the first backbone tensor that differs or only one has, None where all are equal."""
    names = sorted(filter(is_backbone, {*_floating(ours), *_floating(theirs)}))
    return next((name for name in names if name not in ours or name not in theirs
                 or not torch.equal(ours[name], theirs[name])), None)


def _floating(tensors: Mapping[str, torch.Tensor]) -> Iterable[str]:
    return (name for name, value in tensors.items() if value.is_floating_point())
