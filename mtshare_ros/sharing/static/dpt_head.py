"""A dpt decode head, which is computed whole in every frame."""

import copy
from dataclasses import dataclass
from typing import Mapping, Sequence

import torch
from torch import nn

from mtshare_ros.model.dpt_head import DptHead
from mtshare_ros.model.head_input import HeadInput
from mtshare_ros.model.network import MultiTaskNetwork
from mtshare_ros.model.stem import StemFeatures
from mtshare_ros.sharing.dpt_head import DptRunner
from mtshare_ros.sharing.head_plan import HeadGeometry
from mtshare_ros.sharing.layout import PLAIN
from mtshare_ros.sharing.level import Level
from mtshare_ros.sharing.memory import tensor_bytes
from mtshare_ros.sharing.static.lists import FrameLists
from mtshare_ros.sharing.static.taps import Taps
from mtshare_ros.sharing.stem import StemState
from mtshare_ros.sharing.taps import taps_of


@dataclass(frozen=True)
class DptHeadState:
    """The raw output of one camera (see ``Level``), and the multiply-accumulates of a frame."""

    level: Level
    output: torch.Tensor
    macs: int

    @property
    def nbytes(self) -> int:
        """Bytes of the buffer."""
        return tensor_bytes(self.output)


class StaticDptHead:
    """
    A task's dpt head; its weights are in ``dtype``, those of the last layer in float32.

    A token reaches half of the picture through the coarse levels of its pyramid, and how far it
    matters there only the data tell: no list of a fixed length holds it.
    """

    def __init__(
        self, network: MultiTaskNetwork, task: str, members: Sequence[str], dtype: torch.dtype
    ) -> None:
        self._network, self._task, self._dtype = network, task, dtype
        self._read = taps_of(network.config, task)
        self._member = members.index(network.encoder_of(task))
        head: DptHead = copy.deepcopy(network.heads[task])
        self._outputs = 1 if head.config.bins else head.out.conv3.out_channels
        self.side = head.out.side
        self._head = head.to(dtype).to(memory_format=torch.channels_last)
        self._head.out.conv3 = _InFloat32(copy.deepcopy(network.heads[task].out.conv3).float())
        self.geometries: dict[str, HeadGeometry | None] = {task: None}

    def allocate(self, grid: tuple[int, int], device: torch.device) -> DptHeadState:
        """See StaticHead."""
        level = Level(grid, self.side)
        runner = DptRunner(self._network, self._task, self._dtype, PLAIN)
        return DptHeadState(level, level.allocate(self._outputs, torch.float32, device),
                            runner.dense_macs(grid))

    def dense(
        self, state: DptHeadState, taps: Mapping[Taps, torch.Tensor], stem: StemState
    ) -> None:
        """See StaticHead."""
        buffer, grid = taps[self._read], state.level.grid
        rows = buffer[self._member if buffer.shape[0] > 1 else 0].to(self._dtype)
        parts = rows[None].chunk(len(self._read), dim=2)
        count = grid[0] * grid[1]
        planes = tuple(
            part[:, :count].unflatten(1, grid).permute(0, 3, 1, 2) for part in parts)
        prefix = tuple(part[:, count:] for part in parts)
        output = self._head(HeadInput(planes, prefix, StemFeatures(planes[0])))
        state.level.image(state.output).copy_(output)

    def update(
        self, state: DptHeadState, taps: Mapping[Taps, torch.Tensor], stem: StemState,
        lists: FrameLists,
    ) -> None:
        """See StaticHead."""
        self.dense(state, taps, stem)

    def raw(self, state: DptHeadState, task: str) -> torch.Tensor:
        """See StaticHead."""
        return state.level.image(state.output)

    def outputs(self, state: DptHeadState) -> Mapping[tuple[str, ...], torch.Tensor]:
        """See StaticHead."""
        return {(self._task,): state.output[None]}

    def macs(self, state: DptHeadState, cells: int) -> int:
        """See StaticHead."""
        return state.macs


class _InFloat32(nn.Module):
    """A layer in float32, whatever comes before it."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self._layer = layer

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return self._layer(values.float())
