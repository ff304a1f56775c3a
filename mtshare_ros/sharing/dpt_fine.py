"""The fine levels of a dpt head, on the pixels that differ."""

from dataclasses import dataclass

import torch

from mtshare_ros.model.architecture import HeadConfig
from mtshare_ros.model.dpt_head import DptHead, PYRAMID_SIDE
from mtshare_ros.model.heads import finish_depth
from mtshare_ros.sharing.dpt_regions import (
    AlignedEnlargement,
    convolve,
    Part,
    pick,
    Region,
    ResidualStage,
    ResidualState,
    store,
    TapProjection,
)
from mtshare_ros.sharing.linear import PackedLinear
from mtshare_ros.sharing.memory import tensor_bytes
from mtshare_ros.sharing.pixel_maps import Level, RowConvolution

FINE_SIDE = 4
"""Pixels of the finest level of the pyramid along a side of a patch."""


@dataclass(frozen=True)
class FineState:
    """
    Maps of rows (see ``Level``), in the order in which they are made.

    ``deep`` of the first tap, ``lateral`` and ``own`` before and after its residual unit,
    ``merged`` with the coarse levels, ``fused``, then ``enlarged``, ``narrow`` and ``full`` on the
    way to the output.
    """

    grid: tuple[int, int]
    deep: torch.Tensor
    lateral: torch.Tensor
    own: torch.Tensor
    merged: torch.Tensor
    fused: torch.Tensor
    enlarged: torch.Tensor
    narrow: torch.Tensor | None
    full: torch.Tensor | None
    units: tuple[ResidualState, ResidualState]
    output: torch.Tensor

    @property
    def nbytes(self) -> int:
        """Bytes of the buffers."""
        maps = (self.deep, self.lateral, self.own, self.merged, self.fused, self.enlarged,
                self.narrow, self.full, self.output)
        return (tensor_bytes(*(rows for rows in maps if rows is not None))
                + sum(unit.nbytes for unit in self.units))


class FirstTap:
    """The projection of patches to pixels of the pyramid's finest level."""

    def __init__(
        self, head: DptHead, project: TapProjection, dtype: torch.dtype, layout: str
    ) -> None:
        self._project = project
        resize = head.resize[0]
        self.width = resize.weight.shape[1]
        self._resize = PackedLinear(
            resize.weight.permute(2, 3, 1, 0).flatten(0, 2), resize.bias.repeat(FINE_SIDE ** 2),
            dtype=dtype, layout=layout)
        self.macs_per_patch = self._project.macs_per_patch + self._resize.macs_per_row

    def __call__(self, patches: torch.Tensor, term: torch.Tensor | None) -> torch.Tensor:
        """Return (n x 16, C), pixels in raster order, for patches (n, D) and a class term (D,)."""
        return self._resize(self._project(patches, term)).view(-1, self.width)


class FineStages:
    """From the first tap and the finest coarse level to the raw output."""

    def __init__(
        self, head: DptHead, project: TapProjection, dtype: torch.dtype, layout: str
    ) -> None:
        def prepared(layer: torch.nn.Conv2d) -> RowConvolution:
            return RowConvolution(layer, dtype=dtype, layout=layout)

        fuse, out = head.fuse[3], head.out
        self._config: HeadConfig = head.config
        self._dtype, self.side = dtype, out.side
        self._first = FirstTap(head, project, dtype, layout)
        self._lateral = prepared(head.lateral[0])
        self._own = ResidualStage(fuse.res1, dtype, layout)
        self._joint = ResidualStage(fuse.res2, dtype, layout)
        self._out = PackedLinear(fuse.out.weight.flatten(1), fuse.out.bias, dtype=dtype,
                                 layout=layout)
        self._narrow = None if self.side == PYRAMID_SIDE else prepared(out.conv1)
        # the last layer is float32: half precision would round depths to about three digits
        self._last = None
        if out.hidden:
            self._spread = prepared(out.conv2)
            self._last = PackedLinear(out.conv3.weight.flatten(1), out.conv3.bias,
                                      dtype=torch.float32, layout=layout)
        else:
            self._spread = RowConvolution(out.conv3, dtype=torch.float32, layout=layout)
        self._width, self._outputs = fuse.out.out_channels, out.conv3.out_channels

    def allocate(self, grid: tuple[int, int], device: torch.device) -> FineState:
        """Return the state of one camera for a grid of (rows, columns) patches."""
        def make(side: int, width: int, dtype: torch.dtype = self._dtype) -> torch.Tensor:
            return Level(grid, side).allocate(width, dtype, device)

        fine, narrow = Level(grid, FINE_SIDE), self._narrow
        lateral, own, merged, fused = (make(FINE_SIDE, self._width) for _ in range(4))
        return FineState(
            grid, make(FINE_SIDE, self._first.width), lateral, own, merged, fused,
            make(PYRAMID_SIDE, self._width),
            None if narrow is None else make(PYRAMID_SIDE, narrow.outputs),
            None if narrow is None else make(self.side, narrow.outputs),
            (self._own.allocate(fine, self._dtype, device),
             self._joint.allocate(fine, self._dtype, device)),
            make(self.side, 1 if self._config.bins else self._outputs, torch.float32))

    def update(
        self, state: FineState, patches: torch.Tensor | None, tap: torch.Tensor,
        term: torch.Tensor | None, coarse: torch.Tensor, moved: Region,
    ) -> tuple[Region, int]:
        """
        Update the output; return where it differs and the multiply-accumulates.

        ``patches`` (N,) bool, None for all, differ at the ``tap`` (N, D), and pixels of the finest
        ``coarse`` level (count + 1, C) where it ``moved``.
        """
        own, macs = self._from_tap(state, patches, tap, term)
        upwards = AlignedEnlargement(moved.level, own.level)
        region = own.united(moved.enlarged(upwards))
        raised = _enlarged(upwards, coarse, region)
        store(state.merged, region, pick(state.own, region) + raised)
        part = self._joint.update(state.units[1], state.merged, region)
        store(state.fused, part.region, self._out(part.values))
        macs += part.macs + part.region.computed * self._out.macs_per_row
        last = self._towards_output(state, part.region)
        store(state.output, last.region, last.values)
        return last.region, macs + last.macs

    def dense_macs(self, grid: tuple[int, int]) -> int:
        """Return the multiply-accumulates of all pixels."""
        fine, pyramid, full = (Level(grid, side) for side in (FINE_SIDE, PYRAMID_SIDE, self.side))
        macs = grid[0] * grid[1] * self._first.macs_per_patch
        macs += fine.count * (self._lateral.macs_per_pixel + self._out.macs_per_row)
        macs += self._own.dense_macs(fine) + self._joint.dense_macs(fine)
        if self._narrow is not None:
            macs += pyramid.count * self._narrow.macs_per_pixel
        last = 0 if self._last is None else self._last.macs_per_row
        return macs + full.count * (self._spread.macs_per_pixel + last)

    def _from_tap(
        self, state: FineState, patches: torch.Tensor | None, tap: torch.Tensor,
        term: torch.Tensor | None,
    ) -> tuple[Region, int]:
        """Update the first tap's part; return where it differs and the multiply-accumulates."""
        level = Level(state.grid, FINE_SIDE)
        index = None if patches is None else patches.nonzero()[:, 0]
        some = tap if index is None else tap.index_select(0, index)
        if index is None:
            index = torch.arange(tap.shape[0], device=tap.device)
        level.write(state.deep, index, self._first(some, term).to(state.deep.dtype))
        region = Region.of_patches(level, patches).grown()
        store(state.lateral, region, convolve(self._lateral, state.deep, region))
        part = self._own.update(state.units[0], state.lateral, region)
        store(state.own, part.region, part.values)
        return part.region, (some.shape[0] * self._first.macs_per_patch + part.macs
                             + region.computed * self._lateral.macs_per_pixel)

    def _towards_output(self, state: FineState, region: Region) -> Part:
        """Return the output where it differs, the fused level having changed in a region."""
        region = _spread_out(region, PYRAMID_SIDE, state.fused, state.enlarged)
        source, macs = state.enlarged, 0
        if self._narrow is not None and state.narrow is not None and state.full is not None:
            region = region.grown()
            store(state.narrow, region, convolve(self._narrow, state.enlarged, region))
            macs = region.computed * self._narrow.macs_per_pixel
            region = _spread_out(region, self.side, state.narrow, state.full)
            source = state.full
        region = region.grown()
        values = convolve(self._spread, source, region)
        macs += region.computed * self._spread.macs_per_pixel
        if self._last is not None:
            values = self._last(values.relu_())
            macs += region.computed * self._last.macs_per_row
        finished = finish_depth(values.float().t()[None, :, :, None], self._config)
        return Part(region, finished[0, :, :, 0].t(), macs)


def _spread_out(
    region: Region, side: int, source: torch.Tensor, target: torch.Tensor
) -> Region:
    """Enlarge the map of a region to ``side`` pixels a patch; return where that differs."""
    enlargement = AlignedEnlargement(region.level, Level(region.level.grid, side))
    larger = region.enlarged(enlargement)
    store(target, larger, _enlarged(enlargement, source, larger))
    return larger


def _enlarged(
    enlargement: AlignedEnlargement, rows: torch.Tensor, region: Region
) -> torch.Tensor:
    """Return what is computed (p, C) of an enlarged map."""
    if region.pixels is None:
        return enlargement.everywhere(rows)
    return enlargement.pixels(rows, region.pixels)
