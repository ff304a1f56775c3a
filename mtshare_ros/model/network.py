"""The multi-task network: one encoder, one decode head per task."""

from typing import Iterable

import torch
from torch import nn

from mtshare_ros.errors import ConfigError
from mtshare_ros.model.architecture import ArchitectureConfig, PATCH_SIZE
from mtshare_ros.model.backbone import Block
from mtshare_ros.model.head import DecodeHead
from mtshare_ros.model.position import AbsolutePosition, rotary_table, RotaryTable
from mtshare_ros.model.preprocessing import Normalize
from mtshare_ros.model.stem import build_stem
from mtshare_ros.tasks import channels_of, get_task, ordered


class MultiTaskNetwork(nn.Module):
    """
    RGB in, the raw output of every asked task out.

    Holds weights only: no state passes from one frame to the next.
    """

    def __init__(
        self, config: ArchitectureConfig, tasks: Iterable[str], label_count: int
    ) -> None:
        super().__init__()
        self.config = config
        self.tasks = ordered(tasks)
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
        tokens = self.encode(features.tokens)
        return {name: self.heads[name](tokens, features) for name in wanted}

    def encode(self, tokens: torch.Tensor) -> torch.Tensor:
        """Run the blocks on stem tokens (B, D, rows, columns) and return the same shape."""
        grid = (tokens.shape[2], tokens.shape[3])
        sequence = tokens.flatten(2).transpose(1, 2)  # (B, N, D)
        if self.config.position == 'absolute':
            sequence = sequence + self.position(grid)
        rotary = self._rotary(grid, tokens.device)
        for block in self.blocks:
            sequence = block(sequence, rotary)
        return self.norm(sequence).transpose(1, 2).unflatten(2, grid)

    def _rotary(self, grid: tuple[int, int], device: torch.device) -> RotaryTable | None:
        if self.config.position != 'rope':
            return None
        return rotary_table(*grid, self.config.embed_dim // self.config.num_heads, device)


def build_model(
    config: ArchitectureConfig, tasks: Iterable[str], label_count: int
) -> MultiTaskNetwork:
    """Return an untrained network; raise ConfigError for an unknown task."""
    return MultiTaskNetwork(config, tasks, label_count)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
