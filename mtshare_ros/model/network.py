"""The multi-task network: one stem, shared blocks, branches and decode heads."""

import copy
from typing import cast, Iterable, Sequence

import torch
from torch import nn

from mtshare_ros.config import require
from mtshare_ros.errors import ConfigError
from mtshare_ros.model.architecture import ArchitectureConfig, PATCH_SIZE
from mtshare_ros.model.backbone import Block
from mtshare_ros.model.head import DecodeHead
from mtshare_ros.model.position import AbsolutePosition, rotary_table, RotaryTable
from mtshare_ros.model.preprocessing import Normalize
from mtshare_ros.model.stem import build_stem
from mtshare_ros.tasks import channels_of, get_task, ordered, TASKS


class Branch(nn.Module):
    """
    What a sub-task has of its own above the shared blocks.

    ``blocks[0]`` stands beside block number ``shared_depth`` of the base task, and so on.
    """

    def __init__(self, blocks: Iterable[Block], norm: nn.LayerNorm) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.norm = norm


class MultiTaskNetwork(nn.Module):
    """
    RGB in, the raw output of every asked task out.

    ``base_task`` is the first of the tasks. Its encoder is ``blocks`` and ``norm``, named as in
    timm; every sub-task shares the first S = ``config.shared_depth`` blocks with it and has a copy
    of the others in ``branches``: ``branches.depth.blocks.0.*`` is the depth's own version of
    ``blocks.S.*``, ``branches.depth.norm.*`` that of ``norm.*``. Branches begin equal to the base
    task: all delta weights are zero. No branches where every block is shared.

    Holds weights only: no state passes from one frame to the next.
    """

    def __init__(
        self, config: ArchitectureConfig, tasks: Iterable[str], label_count: int
    ) -> None:
        super().__init__()
        self.config = config
        self.tasks = ordered(tasks)
        require(bool(self.tasks), 'tasks', list(self.tasks), f'at least one of {", ".join(TASKS)}')
        self.base_task = self.tasks[0]
        self.label_count = label_count
        self.normalize = Normalize()
        self.stem = build_stem(config)
        if config.position == 'absolute':
            grid = config.input_size[0] // PATCH_SIZE, config.input_size[1] // PATCH_SIZE
            self.position = AbsolutePosition(grid, config.embed_dim)
        self.blocks = nn.ModuleList(
            Block(config.embed_dim, config.num_heads, config.mlp_ratio)
            for _ in range(config.depth)
        )
        self.norm = nn.LayerNorm(config.embed_dim, eps=1e-6)
        self.heads = nn.ModuleDict({
            name: DecodeHead(config, channels_of(get_task(name), label_count))
            for name in self.tasks
        })
        self.apply(_initialise)
        self.branches = nn.ModuleDict(new_branches(self, config.shared_depth))

    def forward(
        self, image: torch.Tensor, tasks: Iterable[str] | None = None
    ) -> dict[str, torch.Tensor]:
        """
        Return task id to raw output (B, C, H/4, W/4) for RGB (B, 3, H, W) in 0-255, any dtype.

        H and W are multiples of 16. ``tasks`` defaults to all the network has.
        """
        wanted = self.tasks if tasks is None else ordered(tasks)
        absent = [name for name in wanted if name not in self.heads]
        if absent:
            raise ConfigError(
                f'this model has no task {absent[0]!r}; it has {", ".join(self.tasks)}')
        features = self.stem(self.normalize(image))
        encoded = self.encode(features.tokens, wanted)
        return {name: self.heads[name](encoded[name], features) for name in wanted}

    def encode(self, tokens: torch.Tensor, tasks: Sequence[str]) -> dict[str, torch.Tensor]:
        """
        Run the blocks on stem tokens (B, D, rows, columns); return the same shape for each task.

        The shared blocks run once. Tasks without a branch get the same tensor.
        """
        grid = (tokens.shape[2], tokens.shape[3])
        rotary = self.rotary(grid, tokens.device)
        shared = _run(self.shared_blocks, self.embed(tokens), rotary)
        encoded: dict[str, torch.Tensor] = {}
        for encoder in dict.fromkeys(self.encoder_of(name) for name in tasks):
            sequence = _run(self.own_blocks(encoder), shared, rotary)
            normed = self.final_norm(encoder)(sequence)
            encoded[encoder] = normed.transpose(1, 2).unflatten(2, grid)
        return {name: encoded[self.encoder_of(name)] for name in tasks}

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
        """Return for every parameter of a branch, by name, the base task's of the same place."""
        return {
            f'branches.{task}.{name}': _name_in_base(name, self.config.shared_depth)
            for task, branch in self.branches.items() for name, _ in branch.named_parameters()
        }

    def embed(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return stem tokens (B, D, rows, columns) as the blocks' input (B, N, D)."""
        sequence = tokens.flatten(2).transpose(1, 2)
        if self.config.position != 'absolute':
            return sequence
        return sequence + self.position((tokens.shape[2], tokens.shape[3]))

    def rotary(self, grid: tuple[int, int], device: torch.device) -> RotaryTable | None:
        """Return the rotations of a (rows, columns) grid, None where positions are absolute."""
        if self.config.position != 'rope':
            return None
        return rotary_table(*grid, self.config.embed_dim // self.config.num_heads, device)

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


def _run(
    blocks: Iterable[Block], sequence: torch.Tensor, rotary: RotaryTable | None
) -> torch.Tensor:
    for block in blocks:
        sequence = block(sequence, rotary)
    return sequence


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
