"""Regions of maps that differ, and the stages of a dpt head on them."""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import torch
from torch.nn import functional

from mtshare_ros.model.dpt_head import DptHead, enlarge_aligned, ResidualUnit
from mtshare_ros.sharing.gates import spread_of
from mtshare_ros.sharing.linear import PackedLinear
from mtshare_ros.sharing.memory import tensor_bytes
from mtshare_ros.sharing.pixel_maps import Level, ReceptiveField, RowConvolution, taps_of_pixels


@dataclass(frozen=True)
class Samples:
    """
    Which two lines of a source each line of a target is a mean of, (n,) each.

    ``share`` is the weight of line ``after``; line ``before`` has the rest.
    """

    before: torch.Tensor
    after: torch.Tensor
    share: torch.Tensor


@dataclass(frozen=True)
class AlignedEnlargement:
    """
    What ``enlarge_aligned`` makes of maps of a level.

    It differs from patch to patch: the farther a target pixel is from the middle, the more its
    sources are shifted, up to half a pixel.
    """

    source: Level
    target: Level

    def everywhere(self, rows: torch.Tensor) -> torch.Tensor:
        """Return all pixels (count, C) of the target for a map of rows (count + 1, C)."""
        large = enlarge_aligned(self.source.image(rows), self.target.size)
        return large.permute(0, 2, 3, 1).reshape(self.target.count, -1)

    def pixels(self, rows: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
        """Return pixels (p,) of the target, (p, C)."""
        lines, columns = self._samples(rows.device)
        across = self.target.size[1]
        line, column = pixels // across, pixels % across
        weight = columns.share.index_select(0, column)[:, None].to(rows.dtype)
        parts = []
        for source in (lines.before, lines.after):
            start = source.index_select(0, line) * self.source.size[1]
            left, right = (rows.index_select(0, start + side.index_select(0, column))
                           for side in (columns.before, columns.after))
            parts.append(torch.lerp(left, right, weight))
        return torch.lerp(*parts, lines.share.index_select(0, line)[:, None].to(rows.dtype))

    def affected(self, mask: torch.Tensor) -> torch.Tensor:
        """Return the pixels of the target (H, W) bool that read pixels of a mask (h, w)."""
        for axis, samples in enumerate(self._samples(mask.device)):
            mask = mask.index_select(axis, samples.before) | mask.index_select(axis, samples.after)
        return mask

    def _samples(self, device: torch.device) -> tuple[Samples, Samples]:
        """Return the samples of lines and of columns."""
        first, second = zip(self.source.size, self.target.size)
        return _samples_of(*first, device), _samples_of(*second, device)


@lru_cache(maxsize=64)
def _samples_of(source: int, target: int, device: torch.device) -> Samples:
    scale = (source - 1) / (target - 1) if target > 1 else 0.0
    places = torch.arange(target, dtype=torch.float32) * torch.tensor(scale, dtype=torch.float32)
    before = places.floor().long().clamp_(max=source - 1)
    after = (before + 1).clamp_(max=source - 1)
    return Samples(before.to(device), after.to(device), (places - before).to(device))


_SAMPLES = 128
"""Patches that a spread is measured on."""


class TapProjection:
    """Adds the class token to patches, if the head does so, and projects them."""

    def __init__(self, head: DptHead, number: int, dtype: torch.dtype, layout: str) -> None:
        self._readout = self._token = None
        if head.config.class_token:
            readout = head.readout[number]
            self._readout = PackedLinear(
                readout.cells.weight.flatten(1), readout.cells.bias, dtype=dtype, layout=layout)
            self._token = PackedLinear(readout.token.weight, None, dtype=dtype, layout=layout)
        project = head.project[number]
        self._project = PackedLinear(
            project.weight.flatten(1), project.bias, dtype=dtype, layout=layout)
        mixing = 0 if self._readout is None else self._readout.macs_per_row
        self.macs_per_patch = self._project.macs_per_row + mixing

    def __call__(self, patches: torch.Tensor, term: torch.Tensor | None) -> torch.Tensor:
        """Return (n, C) for patches (n, D) and what a class token adds (D,), None for nothing."""
        if self._readout is not None and term is not None:
            mixed = self._readout(patches)
            patches = functional.gelu(mixed + term.to(mixed.dtype), approximate='tanh')
        return self._project(patches)

    def term(self, token: torch.Tensor) -> torch.Tensor:
        """Return what a class token (D,) adds to patches (D,) float32."""
        if self._token is None:
            raise RuntimeError('this head reads no class token')
        return self._token(token[None])[0].float()

    def spread(self, patches: torch.Tensor) -> torch.Tensor:
        """Return the spread () of what the term is added to, from a sample of all patches."""
        if self._readout is None:
            raise RuntimeError('this head reads no class token')
        step = -(-patches.shape[0] // _SAMPLES)
        return spread_of(self._readout(patches[::step]).float())


LARGEST_SHARE = 0.5
"""Share of pixels above which a whole map is computed faster than its parts."""

_NEIGHBOURS = ReceptiveField(-1, 1)


@dataclass(frozen=True)
class Region:
    """Pixels of a map at a level: a mask (height, width) bool, None for all of them."""

    level: Level
    mask: torch.Tensor | None = None

    @classmethod
    def of_patches(cls, level: Level, patches: torch.Tensor | None) -> 'Region':
        """Return all pixels of the patches of a mask (N,), None for every patch."""
        if patches is None:
            return cls(level)
        grid, side = level.grid, level.side
        return cls(level, patches.view(grid).repeat_interleave(side, 0).repeat_interleave(side, 1))

    @cached_property
    def pixels(self) -> torch.Tensor | None:
        """The pixels (p,) to compute, None where it is faster to compute all."""
        if self.mask is None:
            return None
        pixels = self.mask.flatten().nonzero()[:, 0]
        return None if pixels.shape[0] > LARGEST_SHARE * self.level.count else pixels

    @property
    def computed(self) -> int:
        """How many pixels are computed for it."""
        return self.level.count if self.pixels is None else self.pixels.shape[0]

    def taps(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return what a 3x3 convolution reads for some pixels (p,): (p * 9,)."""
        taps = taps_of_pixels(self.level, self.level, pixels.device, kernel=3, padding=1)
        return taps.index_select(0, pixels).view(-1)

    def grown(self) -> 'Region':
        """Return the pixels that a 3x3 convolution makes different."""
        if self.mask is None:
            return self
        return Region(self.level, _NEIGHBOURS.spread(self.mask))

    def enlarged(self, enlargement: AlignedEnlargement) -> 'Region':
        """Return the pixels of the larger map that read one of these."""
        if self.mask is None:
            return Region(enlargement.target)
        return Region(enlargement.target, enlargement.affected(self.mask))

    def united(self, other: 'Region') -> 'Region':
        """Return the pixels that are in either of two regions of a level."""
        if self.mask is None or other.mask is None:
            return Region(self.level)
        return Region(self.level, self.mask | other.mask)

    def patches(self) -> torch.Tensor | None:
        """Return the patches (rows, columns) bool that pixels lie in, None for all."""
        if self.mask is None:
            return None
        side = self.level.side
        return self.mask.unflatten(1, (-1, side)).unflatten(0, (-1, side)).any(dim=3).any(dim=1)


PIXELS_AT_ONCE = 4096
"""Pixels that are convolved at once, so that their windows stay in the caches of a CPU."""


def pick(rows: torch.Tensor, region: Region) -> torch.Tensor:
    """Return the pixels (p, C) of a region that are computed, of a map (count + 1, C)."""
    return rows[:-1] if region.pixels is None else rows.index_select(0, region.pixels)


def store(rows: torch.Tensor, region: Region, values: torch.Tensor) -> None:
    """Overwrite the pixels of a region that are computed (p, C)."""
    if region.pixels is None:
        rows[:-1].copy_(values)
    else:
        rows.index_copy_(0, region.pixels, values.to(rows.dtype))


def convolve(layer: RowConvolution, rows: torch.Tensor, region: Region) -> torch.Tensor:
    """Return a 3x3 convolution of a map at the pixels of a region that are computed (p, C)."""
    if region.pixels is None:
        return layer.everywhere(region.level, rows)
    return torch.cat([layer.rows(rows, region.taps(some))
                      for some in region.pixels.split(PIXELS_AT_ONCE)])


@dataclass(frozen=True)
class ResidualState:
    """The input (count + 1, C) of a residual unit after a ReLU, and that of its second layer."""

    positive: torch.Tensor
    middle: torch.Tensor

    @property
    def nbytes(self) -> int:
        """Bytes of the buffers."""
        return tensor_bytes(self.positive, self.middle)


@dataclass(frozen=True)
class Part:
    """What a stage computed: a region, its values (p, C), and what they cost."""

    region: Region
    values: torch.Tensor
    macs: int


class ResidualStage:
    """A residual unit on parts of a map."""

    def __init__(self, unit: ResidualUnit, dtype: torch.dtype, layout: str) -> None:
        self._first, self._second = (
            RowConvolution(layer, dtype=dtype, layout=layout)
            for layer in (unit.conv1, unit.conv2))

    def allocate(self, level: Level, dtype: torch.dtype, device: torch.device) -> ResidualState:
        """Return empty buffers."""
        width = self._first.inputs
        return ResidualState(level.allocate(width, dtype, device),
                             level.allocate(self._first.outputs, dtype, device))

    def update(self, state: ResidualState, source: torch.Tensor, region: Region) -> Part:
        """Return the unit's output where it differs, its input (count + 1, C) having changed."""
        store(state.positive, region, pick(source, region).relu())
        between, after = region.grown(), region.grown().grown()
        store(state.middle, between, convolve(self._first, state.positive, between).relu_())
        values = convolve(self._second, state.middle, after) + pick(source, after)
        macs = (between.computed * self._first.macs_per_pixel
                + after.computed * self._second.macs_per_pixel)
        return Part(after, values, macs)

    def dense_macs(self, level: Level) -> int:
        """Return the multiply-accumulates of a whole map."""
        return level.count * (self._first.macs_per_pixel + self._second.macs_per_pixel)
