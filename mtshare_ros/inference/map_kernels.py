"""
The decoding of cells as one Triton kernel; imported only where Triton is.

What it computes is ``cell_decoding.decode_cells``, in float32. It uses nothing that Triton 3.0
does not have.
"""

from typing import Sequence

import torch
import triton
import triton.language as tl

from mtshare_ros.tasks import UNLABELLED

KINDS = {'class_logits': 0, 'log_metres': 1, 'metres': 2, 'disparity': 3, 'direction': 4,
         'logit': 5}
"""What becomes of the enlarged values, by encoding."""

CLASSES, LOGARITHM, METRES, DISPARITY, DIRECTION, LOGIT = (
    tl.constexpr(kind) for kind in KINDS.values())

NO_CLASS = tl.constexpr(UNLABELLED)

PIXELS = 128
"""Pixels of one program."""

ROUNDER = tl.constexpr(8388608.0)
"""A float32 of this size has no fraction: adding it rounds halves to even."""


def decode_cells(
    raw: torch.Tensor, cells: torch.Tensor, maps: Sequence[torch.Tensor], columns: int,
    side: int, target: int, encoding: str,
) -> None:
    """
    Decode cells (n,) of a raw output (1, C, h, w) with ``side`` pixels into maps with ``target``.

    ``columns`` are the cells of a row of the grid.
    """
    _, channels, height, width = raw.shape
    _decode_cells_kernel[cells.shape[0], triton.cdiv(target * target, PIXELS)](
        raw, cells, maps[0], maps[-1], channels, height, width, *raw.stride()[1:], columns,
        SIDE=side, TARGET=target, KIND=KINDS[encoding], HAS_SECOND=len(maps) > 1,
        BLOCK=PIXELS, num_warps=4)


@triton.jit
def _decode_cells_kernel(
    raw, cells, first, second, channels, height, width, channel_stride, row_stride, column_stride,
    columns, SIDE: tl.constexpr, TARGET: tl.constexpr, KIND: tl.constexpr,
    HAS_SECOND: tl.constexpr, BLOCK: tl.constexpr,
):
    cell = tl.load(cells + tl.program_id(0))
    pixel = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = pixel < TARGET * TARGET
    row, column = cell // columns, cell % columns
    above, down = _source(row * SIDE, pixel // TARGET, SIDE, TARGET)
    before, right = _source(column * SIDE, pixel % TARGET, SIDE, TARGET)
    a = raw + _bounded(above, height) * row_stride + _bounded(before, width) * column_stride
    to_below = (_bounded(above + 1, height) - _bounded(above, height)) * row_stride
    to_right = (_bounded(before + 1, width) - _bounded(before, width)) * column_stride
    place = (row * TARGET + pixel // TARGET) * columns * TARGET + column * TARGET + pixel % TARGET
    same: tl.constexpr = SIDE == TARGET
    if KIND == CLASSES:
        number, share = _best_class(
            a, to_below, to_right, down, right, inside, channels, channel_stride, same, BLOCK)
        tl.store(first + place, number.to(tl.uint8), mask=inside)
        if HAS_SECOND:
            tl.store(second + place, _to_byte(share), mask=inside)
    elif KIND == DIRECTION:
        x = _enlarged(a, to_below, to_right, down, right, inside, same)
        y = _enlarged(a + channel_stride, to_below, to_right, down, right, inside, same)
        z = _enlarged(a + 2 * channel_stride, to_below, to_right, down, right, inside, same)
        scale = 1.0 / tl.sqrt(x * x + y * y + z * z)
        tl.store(first + 3 * place, x * scale, mask=inside)
        tl.store(first + 3 * place + 1, y * scale, mask=inside)
        tl.store(first + 3 * place + 2, z * scale, mask=inside)
    else:
        value = _enlarged(a, to_below, to_right, down, right, inside, same)
        tl.store(first + place, _one_value(value, KIND), mask=inside)


@triton.jit
def _source(start, pixel, SIDE: tl.constexpr, TARGET: tl.constexpr):
    """Return the place before a pixel of a cell, and how near the pixel is to the next one."""
    source = (pixel.to(tl.float32) + 0.5) * (SIDE / TARGET) - 0.5
    near = tl.floor(source)
    return start + near.to(tl.int32), source - near


@triton.jit
def _bounded(place, size):
    return tl.minimum(tl.maximum(place, 0), size - 1)


@triton.jit
def _enlarged(a, to_below, to_right, down, right, inside, SAME: tl.constexpr):
    value = tl.load(a, mask=inside, other=0.0).to(tl.float32)
    if not SAME:
        b = tl.load(a + to_right, mask=inside, other=0.0).to(tl.float32)
        c = tl.load(a + to_below, mask=inside, other=0.0).to(tl.float32)
        d = tl.load(a + to_below + to_right, mask=inside, other=0.0).to(tl.float32)
        value = (1.0 - down) * ((1.0 - right) * value + right * b) + down * (
            (1.0 - right) * c + right * d)
    return value


@triton.jit
def _best_class(
    a, to_below, to_right, down, right, inside, channels, channel_stride, SAME: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Return the first class of the largest logits, and its probability."""
    best = tl.full((BLOCK,), -float('inf'), tl.float32)
    total = tl.zeros((BLOCK,), tl.float32)
    number = tl.zeros((BLOCK,), tl.int32)
    for channel in range(channels):
        value = _enlarged(
            a + channel * channel_stride, to_below, to_right, down, right, inside, SAME)
        # minus infinity minus itself would be no number
        apart = tl.where(value == best, 0.0, value - best)
        smaller = tl.exp(-tl.abs(apart))
        total = tl.where(value > best, total * smaller + 1.0, total + smaller)
        number = tl.where(value > best, channel, number)
        best = tl.where(value > best, value, best)
    known = (tl.abs(best) < float('inf')) & (total == total)
    return tl.where(known, number, NO_CLASS), tl.where(known, 1.0 / total, 0.0)


@triton.jit
def _one_value(value, KIND: tl.constexpr):
    if KIND == LOGIT:
        share = 1.0 / (1.0 + tl.exp(-value))
        found = _to_byte(tl.where(share == share, share, 0.0))
    elif KIND == LOGARITHM:
        metres = tl.exp(value)
        found = tl.where(metres < float('inf'), metres, float('nan'))
    elif KIND == METRES:
        known = (value > 0.0) & (value < float('inf'))
        found = tl.where(known, value, float('nan'))
    else:
        found = tl.where(tl.abs(value) < float('inf'), value, float('nan'))
    return found


@triton.jit
def _to_byte(share):
    return (share * 255.0 + ROUNDER - ROUNDER).to(tl.uint8)
