"""Decode heads that are computed one by one: linear and dpt heads."""

import copy
from dataclasses import dataclass
from typing import Mapping, Sequence

import torch
from torch import nn
from torch.nn import functional

from mtshare_ros.model.backbone import StemFeatures
from mtshare_ros.model.dpt_head import DptHead
from mtshare_ros.model.heads import finish_depth, HeadInput, LinearHead
from mtshare_ros.model.network import MultiTaskNetwork
from mtshare_ros.sharing.dpt_runner import DptRunner
from mtshare_ros.sharing.head import HeadGeometry
from mtshare_ros.sharing.linear_runner import LinearGeometry
from mtshare_ros.sharing.memory import PLAIN, tensor_bytes
from mtshare_ros.sharing.pixel_maps import Level
from mtshare_ros.sharing.static.fixed_lists import FrameLists
from mtshare_ros.sharing.static.static_block import Taps
from mtshare_ros.sharing.static.static_local_group import StackedLinear
from mtshare_ros.sharing.stem import StemState
from mtshare_ros.sharing.taps import taps_of


@dataclass(frozen=True)
class LinearHeadState:
    """Logits (N, K) float32 of all patches, K at least two, and the raw output (see ``Level``)."""

    level: Level
    logits: torch.Tensor
    output: torch.Tensor

    @property
    def nbytes(self) -> int:
        """Bytes of the buffers."""
        return tensor_bytes(self.logits, self.output)


class StaticLinearHead:
    """
    A task's linear head; as it is a last layer, all of it is in float32.

    Logits are computed for changed patches only. The part of the class token and the enlargement
    cost next to nothing, so they are computed for all patches in every frame.
    """

    def __init__(
        self, network: MultiTaskNetwork, task: str, encoders: Sequence[str]
    ) -> None:
        head: LinearHead = network.heads[task]
        self._task, self._config, self.side = task, head.config, head.side
        self._read = taps_of(network.config, task)
        self._encoder = encoders.index(network.encoder_of(task))
        matrix = head.from_tokens.weight.flatten(1)
        self._layer = StackedLinear([matrix], [head.from_tokens.bias], torch.float32)
        self._width, self._macs = len(matrix), matrix.numel()
        self._class_matrix: torch.Tensor | None = None
        if head.config.class_token:
            self._class_matrix = head.from_class.weight.detach().float().t()
        self._patch_size = network.config.patch_size

    @property
    def geometries(self) -> Mapping[str, HeadGeometry | None]:
        """See StaticHead."""
        if self._class_matrix is not None:
            return {self._task: None}
        border = LinearGeometry.of(self.side, self._patch_size).patch_border
        return {self._task: HeadGeometry(self.side, (), (), (), border)}

    def allocate(self, grid: tuple[int, int], device: torch.device) -> LinearHeadState:
        """See StaticHead."""
        level = Level(grid, self.side)
        return LinearHeadState(
            level, torch.zeros(grid[0] * grid[1], self._layer.outputs, device=device),
            level.allocate(1 if self._config.bins else self._width, torch.float32, device))

    def dense(
        self, state: LinearHeadState, taps: Mapping[Taps, torch.Tensor], stem: StemState
    ) -> None:
        """See StaticHead."""
        rows = self._rows(taps)
        state.logits.copy_(self._logits(rows[:len(state.logits)]))
        self._show(state, rows)

    def update(
        self, state: LinearHeadState, taps: Mapping[Taps, torch.Tensor], stem: StemState,
        lists: FrameLists,
    ) -> None:
        """See StaticHead."""
        rows = self._rows(taps)
        logits = self._logits(rows.index_select(0, lists.patches))
        state.logits.index_copy_(0, lists.patches, logits)
        self._show(state, rows)

    def raw(self, state: LinearHeadState, task: str) -> torch.Tensor:
        """See StaticHead."""
        return state.level.image(state.output)

    def outputs(self, state: LinearHeadState) -> Mapping[tuple[str, ...], torch.Tensor]:
        """See StaticHead."""
        return {(self._task,): state.output[None]}

    def macs(self, state: LinearHeadState, patches: int) -> int:
        """See StaticHead."""
        common = 0 if self._class_matrix is None else self._class_matrix.numel()
        return patches * self._macs + common

    def _rows(self, taps: Mapping[Taps, torch.Tensor]) -> torch.Tensor:
        """Return what the head reads of every token (T, taps x D)."""
        buffer = taps[self._read]
        return buffer[self._encoder if buffer.shape[0] > 1 else 0]

    def _logits(self, rows: torch.Tensor) -> torch.Tensor:
        return self._layer(rows[None].float())[0]

    def _show(self, state: LinearHeadState, rows: torch.Tensor) -> None:
        """Compute the output of all patches from their logits and from tokens (T, taps x D)."""
        logits, count = state.logits[:, :self._width], len(state.logits)
        if self._class_matrix is not None:
            logits = logits + rows[count:count + 1].float() @ self._class_matrix
        image = logits.unflatten(0, (1, *state.level.grid)).permute(0, 3, 1, 2)
        if self.side > 1:
            image = functional.interpolate(
                image, scale_factor=self.side, mode='bilinear', align_corners=False)
        state.level.image(state.output).copy_(finish_depth(image, self._config))


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
    A task's dpt head, computed whole in every frame; its last layer is in float32.

    Through the coarse levels of its pyramid a token affects half of the image, and how far it
    matters there depends on the data, so no list of a fixed length can hold it. The other weights
    are in ``dtype``.
    """

    def __init__(
        self, network: MultiTaskNetwork, task: str, encoders: Sequence[str], dtype: torch.dtype
    ) -> None:
        self._network, self._task, self._dtype = network, task, dtype
        self._read = taps_of(network.config, task)
        self._encoder = encoders.index(network.encoder_of(task))
        head: DptHead = copy.deepcopy(network.heads[task])
        self._outputs = 1 if head.config.bins else head.out.conv3.out_channels
        self.side = head.out.side
        self._head = head.to(dtype).to(memory_format=torch.channels_last)
        # from the network's head, because the copy's weights are already rounded
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
        rows = buffer[self._encoder if buffer.shape[0] > 1 else 0].to(self._dtype)
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

    def macs(self, state: DptHeadState, patches: int) -> int:
        """See StaticHead."""
        return state.macs


class _InFloat32(nn.Module):
    """A layer in float32, whatever the dtype of its input."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self._layer = layer

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return self._layer(values.float())
