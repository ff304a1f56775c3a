"""
The decoding of patches as Triton kernels; imported only where Triton is installed.

They compute what ``map_decoder.decode_patches`` does, in float32, and use nothing that Triton 3.0
does not have.
"""

from typing import Any, Sequence

import torch
import triton
import triton.language as tl

from mtshare_ros.tasks import UNLABELLED

KINDS = {'log_metres': 0, 'metres': 1, 'disparity': 2, 'direction': 3, 'logit': 4}
"""How enlarged values other than logits of classes are decoded, by encoding."""

# Triton lets kernels read only those globals that are constexpr
LOGARITHM, METRES, DISPARITY, DIRECTION, LOGIT = (
    tl.constexpr(kind) for kind in KINDS.values())

NO_CLASS = tl.constexpr(UNLABELLED)

PIXELS = 128
"""Pixels of one program."""

LOGITS = 1024
"""Enlarged logits of one program, where a pixel has one for each class."""

ROUNDER = tl.constexpr(8388608.0)
"""A float32 of this size has no fraction: adding it rounds halves to even."""


def decode_patches(
    raw: torch.Tensor, patches: torch.Tensor, maps: Sequence[torch.Tensor], columns: int,
    side: int, target: int, encoding: str,
) -> None:
    """
    Decode patches (n,) of a raw output (1, C, h, w), ``side`` pixels each, into maps.

    A patch has ``target`` pixels along a side of the maps.

    ``columns`` are the patches of a row of the grid.
    """
    given = raw, patches, maps[0], *raw.shape[2:], *raw.stride()[1:], columns
    if encoding == 'class_logits':
        _launch_classes(given, raw.shape[1], patches.shape[0], maps, side, target)
    else:
        _decode_values_kernel[patches.shape[0], triton.cdiv(target * target, PIXELS)](
            *given, SIDE=side, TARGET=target, KIND=KINDS[encoding], BLOCK=PIXELS, num_warps=4)


def _launch_classes(
    given: tuple[Any, ...], channels: int, count: int, maps: Sequence[torch.Tensor], side: int,
    target: int,
) -> None:
    across = triton.next_power_of_2(channels)
    pixels = max(1, LOGITS // across)
    _decode_classes_kernel[count, triton.cdiv(target * target, pixels)](
        *given, maps[-1], channels, SIDE=side, TARGET=target, HAS_SECOND=len(maps) > 1,
        BLOCK=pixels, CHANNELS=across, num_warps=4)


@triton.jit
def _decode_values_kernel(
    raw, patches, found, height, width, channel_stride, row_stride, column_stride, columns,
    SIDE: tl.constexpr, TARGET: tl.constexpr, KIND: tl.constexpr, BLOCK: tl.constexpr,
):
    patch = tl.load(patches + tl.program_id(0))
    pixel = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = pixel < TARGET * TARGET
    a, to_below, to_right, down, right = _corners(
        raw, patch, pixel, height, width, row_stride, column_stride, columns, SIDE, TARGET)
    place = _place(patch, pixel, columns, TARGET)
    same: tl.constexpr = SIDE == TARGET
    x = _enlarged(a, to_below, to_right, down, right, inside, same)
    if KIND == DIRECTION:
        y = _enlarged(a + channel_stride, to_below, to_right, down, right, inside, same)
        z = _enlarged(a + 2 * channel_stride, to_below, to_right, down, right, inside, same)
        scale = 1.0 / tl.sqrt(x * x + y * y + z * z)
        tl.store(found + 3 * place, x * scale, mask=inside)
        tl.store(found + 3 * place + 1, y * scale, mask=inside)
        tl.store(found + 3 * place + 2, z * scale, mask=inside)
    else:
        tl.store(found + place, _one_value(x, KIND), mask=inside)


@triton.jit
def _decode_classes_kernel(
    raw, patches, labels, height, width, channel_stride, row_stride, column_stride, columns,
    shares, channels, SIDE: tl.constexpr, TARGET: tl.constexpr, HAS_SECOND: tl.constexpr,
    BLOCK: tl.constexpr, CHANNELS: tl.constexpr,
):
    patch = tl.load(patches + tl.program_id(0))
    pixel = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = pixel < TARGET * TARGET
    channel = tl.arange(0, CHANNELS)[None, :]
    a, to_below, to_right, down, right = _corners(
        raw, patch, pixel, height, width, row_stride, column_stride, columns, SIDE, TARGET)
    logits = _enlarged(
        a[:, None] + channel * channel_stride, to_below[:, None], to_right[:, None],
        down[:, None], right[:, None], inside[:, None] & (channel < channels), SIDE == TARGET)
    logits = tl.where(channel < channels, logits, -float('inf'))
    apart = logits - tl.max(logits, axis=1)[:, None]
    # of equal logits the first one, as the decoding by operators chooses
    number = tl.min(tl.where(apart == 0.0, channel, CHANNELS), axis=1)
    total = tl.sum(tl.exp(apart), axis=1)
    # NaN differs from itself
    known = total == total
    place = _place(patch, pixel, columns, TARGET)
    tl.store(labels + place, tl.where(known, number, NO_CLASS).to(tl.uint8), mask=inside)
    if HAS_SECOND:
        tl.store(shares + place, _to_byte(tl.where(known, 1.0 / total, 0.0)), mask=inside)


@triton.jit
def _place(patch, pixel, columns, TARGET: tl.constexpr):
    """Return where the pixels of a patch are in its map."""
    row = patch // columns * TARGET + pixel // TARGET
    return row * columns * TARGET + patch % columns * TARGET + pixel % TARGET


@triton.jit
def _corners(
    raw, patch, pixel, height, width, row_stride, column_stride, columns, SIDE: tl.constexpr,
    TARGET: tl.constexpr,
):
    """Return addresses above and before pixels, steps to the next ones, how near those are."""
    above, down = _source(patch // columns * SIDE, pixel // TARGET, SIDE, TARGET)
    before, right = _source(patch % columns * SIDE, pixel % TARGET, SIDE, TARGET)
    top, left = _bounded(above, height), _bounded(before, width)
    to_below = (_bounded(above + 1, height) - top) * row_stride
    to_right = (_bounded(before + 1, width) - left) * column_stride
    return raw + top * row_stride + left * column_stride, to_below, to_right, down, right


@triton.jit
def _source(start, pixel, SIDE: tl.constexpr, TARGET: tl.constexpr):
    """Return the place before a pixel of a patch, and how near the pixel is to the next one."""
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
