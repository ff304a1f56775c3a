"""A network and its memory on lists of fixed lengths; no step of a frame waits for the device."""

from dataclasses import dataclass
from typing import Callable, Mapping, Sequence

import torch

from mtshare_ros.model.network import MultiTaskNetwork
from mtshare_ros.sharing.change import ChangeDetector
from mtshare_ros.sharing.head import HeadGeometry
from mtshare_ros.sharing.memory import tensor_bytes
from mtshare_ros.sharing.sharing_settings import SharingSettings
from mtshare_ros.sharing.static.fixed_lists import bucket_sizes, FrameLists, GateCounts, ListSizes
from mtshare_ros.sharing.static.operators import Operators, PLAIN
from mtshare_ros.sharing.static.static_encoder import (
    encoders_of,
    StaticTransformer,
    StaticTransformerState,
)
from mtshare_ros.sharing.static.static_gate import GateState, StaticGate
from mtshare_ros.sharing.static.static_heads import StaticHeads, StaticHeadsState
from mtshare_ros.sharing.static.static_stem import StaticStem, StaticStemState
from mtshare_ros.sharing.stem import receptive_field_of_stem
from mtshare_ros.tasks import ordered

_PAYING_MACS = 3e9
"""
Multiply-accumulates that reuse must save in a frame to be worth its launches.

Reuse needs about 60 launches more, which take 60 to 300 microseconds in a graph; in that time a
GPU of a data centre, or an Orin, does so many multiplications.
"""

Geometries = Mapping[str, HeadGeometry | None]
"""By task which pixels of its map a patch affects, None where it affects all of them."""

Derive = Callable[[Geometries], Geometries]
"""From the geometries of heads to those of tasks that are computed from their outputs."""


def _nothing(heads: Geometries) -> Geometries:
    return {}


@dataclass(frozen=True)
class StaticState:
    """
    What is remembered of one camera; graphs hold the addresses of all of it.

    ``image`` (H, W, 3) uint8 is the newest frame; ``kept`` (N,) int64 begins with the patches that
    the blocks computed in the last one, as many as its lists were for.
    """

    grid: tuple[int, int]
    image: torch.Tensor
    gate: GateState
    stem: StaticStemState
    transformer: StaticTransformerState
    heads: StaticHeadsState
    kept: torch.Tensor

    @property
    def nbytes(self) -> int:
        """Bytes of the buffers."""
        parts = (self.gate, self.stem, self.transformer, self.heads)
        return tensor_bytes(self.image, self.kept) + sum(part.nbytes for part in parts)


class StaticNetwork:
    """
    The part of a network that some tasks need, on lists of fixed lengths; holds weights only.

    A frame is ``observe``, then ``update``, ``whole`` or ``rest``. Each is a sequence of operators
    that depends on no data and can be captured as a graph; what changes from frame to frame, the
    image and the controls of the gate, is in the state. ``reuse`` is that of
    ``StaticTransformer``; ``geometries`` are those of the heads, and what ``derive`` makes of
    them.
    """

    def __init__(
        self, network: MultiTaskNetwork, tasks: Sequence[str], dtype: torch.dtype,
        operators: Operators = PLAIN, *, reuse: int = 1, derive: Derive = _nothing,
    ) -> None:
        self.tasks, self.reuse = ordered(tasks), reuse
        self.device = next(network.parameters()).device
        self.depth = network.config.depth
        self._config = network.config
        self._patch_size = network.config.patch_size
        self._stem = StaticStem(network, dtype, operators)
        self._transformer = StaticTransformer(network, tasks, dtype, operators, reuse=reuse)
        self._heads = StaticHeads(network, tasks, dtype, operators)
        self.geometries = {
            **self._heads.geometries, **derive(self._heads.geometries)}
        self._gate = StaticGate(
            ChangeDetector(self.device, self._patch_size, operators.detector),
            receptive_field_of_stem(network), self._listed, operators)

    @property
    def _listed(self) -> tuple[HeadGeometry, ...]:
        """The geometries of the maps that are decoded on lists."""
        return tuple(dict.fromkeys(
            item for item in self.geometries.values() if item is not None))

    def grid_of(self, size: tuple[int, ...]) -> tuple[int, int]:
        """Return rows and columns of the patches of an image (height, width)."""
        return self._config.grid_of(size)

    def buckets(self, grid: tuple[int, int], keep: float) -> tuple[ListSizes, ...]:
        """Return the lengths of lists for a grid; blocks compute the share ``keep`` of patches."""
        return bucket_sizes(grid, self._listed, keep)

    def allocate(self, grid: tuple[int, int]) -> StaticState:
        """Return empty buffers for a (rows, columns) grid; ``whole`` must run first."""
        side, device = self._patch_size, self.device
        return StaticState(
            grid,
            torch.zeros(grid[0] * side, grid[1] * side, 3, dtype=torch.uint8, device=device),
            self._gate.allocate(grid, self.buckets(grid, 1.0)), self._stem.allocate(grid, device),
            self._transformer.allocate(grid), self._heads.allocate(grid),
            torch.zeros(grid[0] * grid[1], dtype=torch.int64, device=device))

    def prepare(self, state: StaticState, settings: SharingSettings) -> None:
        """Update the gate's tables to settings; the host calls it before a frame."""
        self._gate.prepare(state.gate, settings)

    def begin(self, state: StaticState) -> None:
        """Let the gate read the first image of a camera, with which nothing can be compared."""
        self._gate.begin(state.gate, _network_image(state.image))

    def observe(self, state: StaticState, *, learn: bool, budgeted: bool) -> None:
        """Let the gate read the image; its state then says which patches enter, and how many."""
        self._gate.observe(
            state.gate, _network_image(state.image), learn=learn, budgeted=budgeted)

    def read_counts(self, state: StaticState, numbers: Sequence[int]) -> GateCounts:
        """Return the gate's counts by name; ``numbers`` are its counts as the host has them."""
        return self._gate.read(state.gate, numbers)

    def rest(self, state: StaticState) -> None:
        """End a frame in which no patch entered."""
        self._gate.rest(state.gate)

    def update(self, state: StaticState, sizes: ListSizes) -> FrameLists:
        """Compute the patches that entered; lists of ``sizes`` must have room for them."""
        lists = self._gate.lists(state.gate, sizes)
        tokens = self._stem.update(
            state.stem, _network_image(state.image), lists.transmitted, lists.patches)
        kept = self._transformer.update(
            state.transformer, tokens, lists.patches, lists.forced, sizes.kept)
        state.kept[:sizes.kept].copy_(kept)
        self._heads.update(state.heads, state.transformer.taps, state.stem, lists)
        self._gate.settle(state.gate, lists)
        return lists

    def whole(self, state: StaticState) -> None:
        """Compute all patches from the image alone."""
        tokens = self._stem.dense(state.stem, _network_image(state.image))
        self._transformer.dense(state.transformer, tokens)
        self._heads.dense(state.heads, state.transformer.taps, state.stem)
        self._gate.settle(state.gate, None)

    def sums(self, state: StaticState, out: torch.Tensor) -> None:
        """Write the sum of every raw output (T,), not finite where a number in it is not."""
        self._heads.sums(state.heads, out)

    def macs(self, state: StaticState, sizes: ListSizes | None) -> int:
        """Return the multiply-accumulates of a frame on lists of ``sizes``, None for all."""
        count = state.grid[0] * state.grid[1]
        patches, kept = (count, count) if sizes is None else (sizes.patches, sizes.kept)
        transformer = self._transformer
        blocks = transformer.dense_macs(state.grid) if sizes is None else transformer.macs(
            state.grid, kept)
        return (patches * self._stem.macs_per_patch + blocks
                + self._heads.macs(state.heads, patches))

    def raw(self, state: StaticState, task: str) -> torch.Tensor:
        """Return a task's raw output (1, C, h, w) float32, which the next frame overwrites."""
        return self._heads.raw(state.heads, task)


def reuse_pays(
    network: MultiTaskNetwork, tasks: Sequence[str], grid: tuple[int, int]
) -> bool:
    """Tell whether it pays that sub-tasks reuse every other update of the base task."""
    config, encoders = network.config, encoders_of(network, tasks)
    if network.base_task not in encoders:
        return False
    kept = grid[0] * grid[1] // 16  # of a frame of which an eighth changed
    per_row = (4 + 2 * config.mlp_ratio) * config.embed_dim ** 2
    own_blocks = config.depth - config.shared_depth
    return kept * per_row * own_blocks * (len(encoders) - 1) / 2 >= _PAYING_MACS


def _network_image(image: torch.Tensor) -> torch.Tensor:
    """Return an (H, W, 3) image as a view (1, 3, H, W)."""
    return image.permute(2, 0, 1)[None]
