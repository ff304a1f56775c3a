"""What decode heads have in common on the patches that changed."""

from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Any, Hashable, Protocol, Sequence

import torch
from torch import nn

from mtshare_ros.model.architecture import LINEAR, LOCAL
from mtshare_ros.model.network import MultiTaskNetwork
from mtshare_ros.sharing.memory import AUTO
from mtshare_ros.sharing.pixel_maps import Level, pixels_of_patches, ReceptiveField, taps_of_pixels
from mtshare_ros.sharing.stem import StemState
from mtshare_ros.sharing.taps import HeadInputs


class PatchGeometry(Hashable, Protocol):
    """How far a change spreads through a head; equal for heads of equal shape."""

    def plan(self, stem: StemState, patches: torch.Tensor) -> Any:
        """Return what such heads compute for patches (n,)."""


@dataclass(frozen=True)
class ChangedPatches:
    """The patches whose tokens or pixels changed: a mask (N,) bool, None for all."""

    stem: StemState
    mask: torch.Tensor | None = None
    _plans: dict[PatchGeometry, Any] = field(default_factory=dict, init=False, compare=False)

    @cached_property
    def index(self) -> torch.Tensor:
        """The same patches as a list (n,)."""
        if self.mask is not None:
            return self.mask.nonzero()[:, 0]
        rows, columns = self.stem.grid
        return torch.arange(rows * columns, device=self.stem.device)

    @property
    def whole(self) -> bool:
        """Whether these are all patches."""
        return self.mask is None or self.index.shape[0] == self.mask.shape[0]

    def equals(self, other: 'ChangedPatches') -> bool:
        """Tell whether the patches of the same camera are the same."""
        if self.mask is None or other.mask is None:
            return self.mask is other.mask
        return torch.equal(self.mask, other.mask)

    def plan(self, geometry: PatchGeometry) -> Any:
        """Return what heads of a geometry compute; heads with equal geometry share it."""
        if geometry not in self._plans:
            self._plans[geometry] = geometry.plan(self.stem, self.index)
        return self._plans[geometry]


@dataclass(frozen=True)
class HeadUpdate:
    """
    What a head did in a frame.

    ``affected`` (m,) are the patches whose output, enlarged to the input's size, may differ; None
    where it may everywhere.
    """

    affected: torch.Tensor | None
    macs: int


class HeadState(Protocol):
    """What a head remembers of one camera."""

    @property
    def raw(self) -> torch.Tensor:
        """The raw output as a view (1, C, rows x side, columns x side), float32."""

    @property
    def nbytes(self) -> int:
        """Bytes the buffers take."""


class HeadRunner(Protocol):
    """
    One task's decode head, prepared once; what it remembers of a camera is passed in.

    ``side`` are the pixels of the raw output along a side of a patch.
    """

    side: int

    def allocate(self, grid: tuple[int, int], device: torch.device) -> Any:
        """Return the state of one camera for a grid of (rows, columns) patches."""

    def update(
        self, state: Any, inputs: HeadInputs, patches: ChangedPatches, thresholds: Sequence[float]
    ) -> HeadUpdate:
        """
        Bring the raw output up to date where what the head reads of ``patches`` changed.

        ``thresholds`` are those of the temporal rule by block, 0 where nothing is gated: a head
        keeps what the class token adds to all patches while that changes by less.
        """

    def dense_macs(self, grid: tuple[int, int]) -> int:
        """Return the multiply-accumulates of all patches of a grid."""


LARGEST_SHARE = 0.65
"""Share of pixels above which a convolution of the whole map is faster than one of its rows."""


@dataclass(frozen=True)
class HeadGeometry:
    """
    The kernels of a head's 3x3 convolutions, and their receptive fields around a patch.

    ``side`` are the pixels of the output along a side of a patch. ``borders`` are the pixels round
    a patch that differ after each convolution, ``patch_border`` the patches round it that differ
    after the bilinear enlargement of the output.
    """

    side: int
    kernels: tuple[int, ...]
    paddings: tuple[int, ...]
    borders: tuple[int, ...]
    patch_border: int

    @classmethod
    def of(cls, layers: Sequence[nn.Conv2d], side: int, patch_size: int) -> 'HeadGeometry':
        """Return the geometry of the convolutions that a head runs one after the other."""
        patch = ReceptiveField.of_patch(side)
        fields = [patch.through(layers[:count + 1]) for count in range(len(layers))]
        enlarged = patch.through(layers).enlarged(Fraction(patch_size, side))
        return cls(
            side,
            tuple(layer.kernel_size[0] for layer in layers),
            tuple(layer.padding[0] for layer in layers),
            tuple(field.border(side) for field in fields),
            enlarged.in_patches(patch_size).border(1),
        )

    def plan(self, stem: StemState, patches: torch.Tensor) -> 'HeadPlan':
        """Return what to compute for patches (n,), with the stem's features as they are."""
        return plan_head(self, stem, patches)


@dataclass(frozen=True)
class PixelList:
    """Pixels (p,) of a map, and what a convolution reads for them, (p * kernel ** 2,)."""

    pixels: torch.Tensor
    taps: torch.Tensor


@dataclass(frozen=True)
class HeadPlan:
    """
    What to compute for ``patches`` (n,).

    ``merged`` (n * side ** 2,) are the pixels whose merged features change, in the order of
    ``merging_order``; ``eighth`` and ``quarter`` are the stem's features there, patch by
    patch. ``layers`` has one list for each convolution, None where it computes every
    pixel. ``affected`` (m,) are the patches whose enlarged output may differ.
    """

    patches: torch.Tensor
    merged: torch.Tensor
    eighth: torch.Tensor | None
    quarter: torch.Tensor | None
    layers: tuple[PixelList | None, ...]
    affected: torch.Tensor

    @classmethod
    def of(
        cls, level: Level, stem: StemState, patches: torch.Tensor,
        layers: tuple[PixelList | None, ...], affected: torch.Tensor,
    ) -> 'HeadPlan':
        """Return a plan with the pixels of patches (n,) and the stem's features there."""
        merged = pixels_in_merging_order(level, patches.device).index_select(0, patches).view(-1)
        eighth = quarter = None
        if stem.eighth is not None:
            pixels = pixels_of_patches(Level(stem.grid, level.side // 2), patches.device)
            eighth = stem.eighth.index_select(0, pixels.index_select(0, patches).view(-1))
        if stem.quarter is not None:
            quarter = stem.quarter.index_select(0, merged)
        return cls(patches, merged, eighth, quarter, layers, affected)


def plan_head(geometry: HeadGeometry, stem: StemState, patches: torch.Tensor) -> HeadPlan:
    """Return what to compute for patches (n,), with the stem's features as they are."""
    level = Level(stem.grid, geometry.side)
    layers = tuple(
        pixel_list(level, patches, border, kernel, padding) for border, kernel, padding
        in zip(geometry.borders, geometry.kernels, geometry.paddings))
    affected = around(Level(stem.grid, 1), patches, geometry.patch_border)
    return HeadPlan.of(level, stem, patches, layers, affected)


@lru_cache(maxsize=16)
def pixels_in_merging_order(level: Level, device: torch.device) -> torch.Tensor:
    """
    Return each patch's pixels (N, side ** 2) in blocks of 2 x 2.

    What a token, or a feature of half the side, is projected to has the values of its pixels in
    this order, so that it is added to them without being rearranged.
    """
    pixels = pixels_of_patches(level, device)
    half = level.side // 2
    return pixels.view(-1, half, 2, half, 2).transpose(2, 3).reshape(pixels.shape)


def around(level: Level, patches: torch.Tensor, border: int) -> torch.Tensor:
    """Return the pixels (p,), sorted, of patches and a border round them."""
    windows = pixels_of_patches(level, patches.device, border=border).index_select(0, patches)
    marked = torch.zeros(level.count + 1, dtype=torch.bool, device=patches.device)
    marked.index_fill_(0, windows.view(-1), True)
    return marked[:-1].nonzero()[:, 0]


def pixel_list(
    level: Level, patches: torch.Tensor, border: int, kernel: int, padding: int
) -> PixelList | None:
    """Return the pixels of patches (n,) and a border for a convolution, None for the whole map."""
    if patches.shape[0] * level.side ** 2 > LARGEST_SHARE * level.count:
        return None
    pixels = around(level, patches, border)
    if pixels.shape[0] > LARGEST_SHARE * level.count:
        return None
    taps = taps_of_pixels(level, level, patches.device, kernel=kernel, padding=padding)
    return PixelList(pixels, taps.index_select(0, pixels).view(-1))


def make_head(
    network: MultiTaskNetwork, task: str, dtype: torch.dtype = torch.float32, layout: str = AUTO,
) -> HeadRunner:
    """Return the runner of a task's head, its weights in ``dtype``."""
    # imported here: most models have heads of one kind and do not need the modules of the others
    kind = network.config.head_of(task).kind
    if kind == LOCAL:
        from mtshare_ros.sharing.local_runner import LocalRunner
        return LocalRunner(network, task, dtype, layout)
    if kind == LINEAR:
        from mtshare_ros.sharing.linear_runner import LinearRunner
        return LinearRunner(network, task, dtype, layout)
    from mtshare_ros.sharing.dpt_runner import DptRunner
    return DptRunner(network, task, dtype, layout)
