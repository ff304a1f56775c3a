"""The linear decode head on the patches that changed."""

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Sequence

import torch

from mtshare_ros.model.heads import finish_depth, LinearHead
from mtshare_ros.model.network import MultiTaskNetwork
from mtshare_ros.sharing.enlargement import Enlargement
from mtshare_ros.sharing.gates import distance, passes, spread_of
from mtshare_ros.sharing.head import around, ChangedPatches, HeadUpdate
from mtshare_ros.sharing.linear import PackedLinear
from mtshare_ros.sharing.memory import AUTO, tensor_bytes
from mtshare_ros.sharing.pixel_maps import Level, ReceptiveField
from mtshare_ros.sharing.stem import StemState
from mtshare_ros.sharing.taps import HeadInputs


@dataclass(frozen=True)
class ClassTerms:
    """
    The terms (n, C) float32 that class tokens add to all patches, at n places of a head.

    When a term differs, every patch of the output does. So it is kept until all patches are
    computed, or until it moved by more than the temporal threshold relative to ``spread`` (n,),
    that of what it is added to; with a threshold of 0 any change counts.
    """

    used: torch.Tensor
    spread: torch.Tensor

    @classmethod
    def allocate(cls, count: int, width: int, device: torch.device) -> 'ClassTerms':
        """Return empty buffers."""
        return cls(torch.zeros(count, width, device=device), torch.ones(count, device=device))

    @property
    def nbytes(self) -> int:
        """Bytes of the buffers."""
        return tensor_bytes(self.used, self.spread)

    def start(self, terms: torch.Tensor, spread: torch.Tensor) -> None:
        """Store the terms of a frame in which all patches are computed."""
        self.used.copy_(terms)
        self.spread.copy_(spread)

    def renew(self, terms: torch.Tensor, thresholds: Sequence[float]) -> bool:
        """Use new terms where one moved by more than its threshold; tell whether one did."""
        bound = torch.tensor(thresholds, device=terms.device) * self.spread
        if not bool(passes(distance(terms, self.used), bound, None).any()):
            return False
        self.used.copy_(terms)
        return True


@dataclass
class LinearHeadState:
    """
    What one task's head remembers of one camera.

    ``logits`` (N, K) float32 are what the matrix makes of the patches, ``common`` (1, K) what the
    class tokens add to all of them; ``output`` is the raw output (see ``Level``).
    """

    level: Level
    logits: torch.Tensor
    common: ClassTerms
    output: torch.Tensor

    @cached_property
    def raw(self) -> torch.Tensor:
        """The raw output as a view (1, C, rows x side, columns x side)."""
        return self.level.image(self.output)

    @property
    def nbytes(self) -> int:
        """Bytes the buffers take."""
        return tensor_bytes(self.logits, self.output) + self.common.nbytes


@dataclass(frozen=True)
class LinearPlan:
    """The patches (n,) whose output differs, and the patches (m,) whose enlarged output does."""

    shown: torch.Tensor
    affected: torch.Tensor


@dataclass(frozen=True)
class LinearGeometry:
    """How many patches round one differ in the output, and once that is enlarged."""

    border: int
    patch_border: int

    @classmethod
    def of(cls, side: int, patch_size: int) -> 'LinearGeometry':
        """Return the geometry of logits that are enlarged to ``side`` pixels a patch."""
        shown = ReceptiveField.of_patch(1).enlarged(Fraction(side))
        affected = shown.enlarged(Fraction(patch_size, side))
        return cls(shown.in_patches(side).border(1), affected.in_patches(patch_size).border(1))

    def plan(self, stem: StemState, patches: torch.Tensor) -> LinearPlan:
        """Return what to show for patches (n,) whose logits differ."""
        level = Level(stem.grid, 1)
        shown = around(level, patches, self.border) if self.border else patches
        return LinearPlan(shown, around(level, patches, self.patch_border))


class LinearRunner:
    """
    One task's linear head, prepared once.

    Its only layer is the last one, whose matrices are float32 whatever ``dtype`` is: half
    precision would round depths to about three digits.
    """

    def __init__(
        self, network: MultiTaskNetwork, task: str, dtype: torch.dtype = torch.float32,
        layout: str = AUTO,
    ) -> None:
        head: LinearHead = network.heads[task]
        config, shape = head.config, network.config
        weight = head.from_tokens.weight.flatten(1)
        self.side, self._config = head.side, config
        self._matrix = PackedLinear(
            weight, head.from_tokens.bias, dtype=torch.float32, layout=layout)
        self._blocks, self._logits = shape.taps_of(config), weight.shape[0]
        self._outputs = 1 if config.bins else self._logits
        self._class_matrix: PackedLinear | None = None
        if config.class_token:
            self._class_matrix = PackedLinear(head.from_class.weight, None, dtype=torch.float32,
                                              layout=layout)
        self._enlargement = Enlargement(1, self.side)
        self._geometry = LinearGeometry.of(self.side, shape.patch_size)

    def allocate(self, grid: tuple[int, int], device: torch.device) -> LinearHeadState:
        """Return the state of one camera for a grid of (rows, columns) patches."""
        level = Level(grid, self.side)
        return LinearHeadState(
            level, torch.zeros(grid[0] * grid[1], self._logits, device=device),
            ClassTerms.allocate(1, self._logits, device),
            level.allocate(self._outputs, torch.float32, device))

    def update(
        self, state: LinearHeadState, inputs: HeadInputs, patches: ChangedPatches,
        thresholds: Sequence[float] = (),
    ) -> HeadUpdate:
        """See HeadRunner."""
        index = patches.index
        macs = index.shape[0] * self._matrix.macs_per_row + self._common_macs
        if index.shape[0]:
            logits = self._matrix(inputs.of_patches(index))
            state.logits.index_copy_(0, index, logits.to(state.logits.dtype))
        renewed = self._renew(state, inputs, patches, thresholds)
        if renewed or patches.mask is None:
            self._show(state, ChangedPatches(patches.stem).index)
            return HeadUpdate(None, macs)
        plan: LinearPlan = patches.plan(self._geometry)
        self._show(state, plan.shown)
        return HeadUpdate(plan.affected, macs)

    def dense_macs(self, grid: tuple[int, int]) -> int:
        """See HeadRunner."""
        return grid[0] * grid[1] * self._matrix.macs_per_row + self._common_macs

    @property
    def _common_macs(self) -> int:
        return 0 if self._class_matrix is None else self._class_matrix.macs_per_row

    def _renew(
        self, state: LinearHeadState, inputs: HeadInputs, patches: ChangedPatches,
        thresholds: Sequence[float],
    ) -> bool:
        """Update what the class tokens add; tell whether it differs."""
        if self._class_matrix is None:
            return False
        terms = self._class_matrix(inputs.class_tokens().view(1, -1))
        if patches.whole:
            state.common.start(terms, spread_of(state.logits)[None])
            return True
        return state.common.renew(terms, [min(thresholds[block - 1] for block in self._blocks)])

    def _show(self, state: LinearHeadState, patches: torch.Tensor) -> None:
        """Compute the output of patches (n,) from the logits."""
        if patches.shape[0] == 0:
            return
        values = self._enlargement.patches(state.logits, state.level.grid, patches)
        if self._class_matrix is not None:
            values = values + state.common.used[0][:, None]
        finished = finish_depth(values.unflatten(2, (self.side, self.side)), self._config)
        state.level.write(state.output, patches, finished.flatten(2).transpose(1, 2))
