"""The steps of ``marking``, and how an image is taken in, as Triton kernels, one launch each."""

import torch
import triton
import triton.language as tl

from mtshare_ros.sharing.pooling import COLORS, SIDE, VALUES

_PATCHES = 16
"""Patches of one program, where each is a row of values."""

_ENTRIES = 256
"""Entries of one program."""

_FEWEST = 16
"""Rows and columns that a product of matrices takes."""


def take_image(
    image: torch.Tensor, current: torch.Tensor, past: torch.Tensor, lines: torch.Tensor,
    matrix: torch.Tensor, rows: int, columns: int,
) -> None:
    """Do what ``change.take_image`` does."""
    side = lines.shape[1]
    _take_image_kernel[rows, columns](
        image, current, past, lines, columns, *image.stride()[1:], (SIDE / side) ** 2,
        PATCH=side, SIDE=SIDE, COLORS=COLORS, AREAS=_FEWEST,
        BLOCK=max(_FEWEST, triton.next_power_of_2(side)), num_warps=4)


def settle(
    patches: torch.Tensor, current: torch.Tensor, reference: torch.Tensor, due: torch.Tensor,
    ages: torch.Tensor, oldest: torch.Tensor,
) -> None:
    """Do what ``marking.settle`` does."""
    count = patches.shape[0]
    _settle_kernel[(1 + triton.cdiv(count, _PATCHES),)](
        patches, current, reference, due, ages, oldest, count, ages.shape[0], VALUES=VALUES,
        ROWS=_PATCHES, WIDTH=triton.next_power_of_2(VALUES), BLOCK=_ENTRIES, num_warps=4)


def mark(
    scores: torch.Tensor, turns: torch.Tensor, ages: torch.Tensor, controls: torch.Tensor,
    around: torch.Tensor, due: torch.Tensor, forced: torch.Tensor,
) -> torch.Tensor:
    """Do what ``marking.mark`` does."""
    count = scores.shape[0]
    marks = due.new_empty((4, count))
    _mark_kernel[(triton.cdiv(count, _ENTRIES),)](
        scores, turns, ages, controls, around, due, forced, marks, count,
        SOURCES=around.shape[1], BLOCK=_ENTRIES, num_warps=4)
    return marks


def spread(marks: torch.Tensor, sources: torch.Tensor) -> torch.Tensor:
    """Return what ``marking.spread`` does."""
    marked, count = marks.numel(), marks.numel() + sources.shape[0]
    row = marks.new_empty(count)
    _spread_kernel[(triton.cdiv(count, _ENTRIES),)](
        marks, sources, row, marked, count, marks.shape[1], SOURCES=sources.shape[1],
        BLOCK=_ENTRIES, num_warps=4)
    return row


def entries(
    running: torch.Tensor, bounds: torch.Tensor, ranks: torch.Tensor, numbers: torch.Tensor
) -> torch.Tensor:
    """Return what ``marking.entries`` does."""
    count, marks = ranks.shape[0], numbers.shape[0]
    found = numbers.new_empty(count)
    _entries_kernel[(triton.cdiv(count, _ENTRIES),)](
        running, bounds, ranks, numbers, found, count, marks, STEPS=marks.bit_length(),
        BLOCK=_ENTRIES, num_warps=4)
    return found


@triton.jit
def _take_image_kernel(
    image, current, past, lines, columns, color_stride, line_stride, pixel_stride, scale,
    PATCH: tl.constexpr, SIDE: tl.constexpr, COLORS: tl.constexpr, AREAS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    row, column = tl.program_id(0), tl.program_id(1)
    area, pixel = tl.arange(0, AREAS), tl.arange(0, BLOCK)
    is_area, is_pixel = area < SIDE, pixel < PATCH
    down = tl.load(lines + area[:, None] * PATCH + pixel[None, :],
                   mask=is_area[:, None] & is_pixel[None, :], other=0.0)
    across = tl.load(lines + area[None, :] * PATCH + pixel[:, None],
                     mask=is_area[None, :] & is_pixel[:, None], other=0.0)
    source = image + (row * PATCH + pixel)[:, None] * line_stride + (
        column * PATCH + pixel)[None, :] * pixel_stride
    target = (row * columns + column) * (SIDE * SIDE * COLORS) + area[:, None] * (
        SIDE * COLORS) + area[None, :] * COLORS
    inside = is_area[:, None] & is_area[None, :]
    for color in tl.static_range(COLORS):
        pixels = tl.load(source + color * color_stride,
                         mask=is_pixel[:, None] & is_pixel[None, :], other=0).to(tl.float32)
        sums = tl.dot(tl.dot(down, pixels, input_precision='ieee'), across,
                      input_precision='ieee')
        last = tl.load(current + target + color, mask=inside, other=0.0)
        tl.store(past + target + color, last, mask=inside)
        tl.store(current + target + color, sums * scale, mask=inside)


@triton.jit
def _settle_kernel(
    patches, current, reference, due, ages, oldest, count, cells, VALUES: tl.constexpr,
    ROWS: tl.constexpr, WIDTH: tl.constexpr, BLOCK: tl.constexpr,
):
    program = tl.program_id(0)
    if program == 0:
        greatest = tl.zeros([BLOCK], dtype=tl.int32)
        for start in range(0, cells, BLOCK):
            cell = start + tl.arange(0, BLOCK)
            inside = cell < cells
            is_due = tl.load(due + cell, mask=inside, other=1) != 0
            age = tl.where(is_due, 0, tl.load(ages + cell, mask=inside, other=0) + 1)
            tl.store(ages + cell, age, mask=inside)
            greatest = tl.maximum(greatest, age)
        tl.store(oldest, tl.max(greatest, axis=0))
    else:
        entry = (program - 1) * ROWS + tl.arange(0, ROWS)
        column = tl.arange(0, WIDTH)
        place = tl.load(patches + entry, mask=entry < count, other=0)[:, None] * VALUES
        inside = (entry < count)[:, None] & (column < VALUES)[None, :]
        value = tl.load(current + place + column[None, :], mask=inside, other=0.0)
        tl.store(reference + place + column[None, :], value, mask=inside)


@triton.jit
def _mark_kernel(
    scores, turns, ages, controls, around, due, forced, marks, count,
    SOURCES: tl.constexpr, BLOCK: tl.constexpr,
):
    cell = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = cell < count
    limit, turn, due_age = tl.load(controls), tl.load(controls + 1), tl.load(controls + 2)
    halo = tl.load(controls + 5)
    fired = tl.load(scores + cell, mask=inside, other=0.0) > limit
    its_turn = tl.load(turns + cell, mask=inside, other=0).to(tl.float32) == turn
    its_age = tl.load(ages + cell, mask=inside, other=0).to(tl.float32) >= due_age
    refreshed = its_turn | its_age
    reached = fired
    for number in range(SOURCES):
        source = tl.load(around + cell * SOURCES + number, mask=inside, other=0)
        reached |= tl.load(scores + source, mask=inside, other=0.0) > limit
    tl.store(due + cell, refreshed, mask=inside)
    tl.store(forced + cell, tl.where(halo == 0.0, refreshed, refreshed | reached), mask=inside)
    tl.store(marks + cell, fired, mask=inside)
    tl.store(marks + count + cell, refreshed, mask=inside)
    tl.store(marks + 2 * count + cell, fired | refreshed, mask=inside)
    tl.store(marks + 3 * count + cell, refreshed | reached, mask=inside)


@triton.jit
def _spread_kernel(
    marks, sources, row, marked, count, cells, SOURCES: tl.constexpr, BLOCK: tl.constexpr,
):
    entry = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    is_mark = entry < marked
    is_pixel = (entry >= marked) & (entry < count)
    found = tl.load(marks + entry, mask=is_mark, other=0) != 0
    for number in range(SOURCES):
        place = (entry - marked) * SOURCES + number
        source = tl.load(sources + place, mask=is_pixel, other=0)
        found |= tl.load(marks + 3 * cells + source, mask=is_pixel, other=0) != 0
    tl.store(row + entry, found, mask=entry < count)


@triton.jit
def _entries_kernel(
    running, bounds, ranks, numbers, found, count, marks,
    STEPS: tl.constexpr, BLOCK: tl.constexpr,
):
    entry = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = entry < count
    before = tl.load(running + tl.load(bounds + entry, mask=inside, other=0))
    last = tl.load(running + tl.load(bounds + count + entry, mask=inside, other=0))
    rank = tl.minimum(before + tl.load(ranks + entry, mask=inside, other=1), last)
    # the first mark whose running sum is no less
    low = tl.zeros([BLOCK], dtype=tl.int32)
    high = tl.zeros([BLOCK], dtype=tl.int32) + marks
    for _ in range(STEPS):
        middle = (low + high) // 2
        open_ = low < high
        less = tl.load(running + 1 + middle, mask=open_, other=0) < rank
        low = tl.where(open_ & less, middle + 1, low)
        high = tl.where(open_ & (less == 0), middle, high)
    tl.store(found + entry, tl.load(numbers + low, mask=inside, other=0), mask=inside)
