"""
Triton kernels that make the lists of a frame and run heads on them, one launch each.

Every function does what its namesake in ``plain_steps`` does. Sums and functions are computed in
float32, whatever is read and written; the kernels use nothing that Triton 3.0 does not have.
"""

import torch
import triton
import triton.language as tl

from mtshare_ros.sharing.noise_statistics import VALUES
from mtshare_ros.sharing.static.block_kernels import ELEMENTS

_PATCHES = 16
"""Patches of one program, each of them a row of values."""

_ENTRIES = 256
"""Entries of one program."""

_PIXELS, _INPUTS, _MOST_OUTPUTS = 32, 16, 64
"""Sides of the tiles in which the last layer is computed."""


def mark(
    scores: torch.Tensor, turns: torch.Tensor, ages: torch.Tensor, controls: torch.Tensor,
    around: torch.Tensor, due: torch.Tensor, forced: torch.Tensor,
) -> torch.Tensor:
    """Do what ``plain_steps.mark`` does."""
    count = scores.shape[0]
    marks = due.new_empty((4, count))
    _mark_kernel[(triton.cdiv(count, _ENTRIES),)](
        scores, turns, ages, controls, around, due, forced, marks, count,
        SOURCES=around.shape[1], BLOCK=_ENTRIES, num_warps=4)
    return marks


def spread(marks: torch.Tensor, sources: torch.Tensor) -> torch.Tensor:
    """Return what ``plain_steps.spread`` does."""
    marked, count = marks.numel(), marks.numel() + sources.shape[0]
    row = marks.new_empty(count)
    _spread_kernel[(triton.cdiv(count, _ENTRIES),)](
        marks, sources, row, marked, count, marks.shape[1], SOURCES=sources.shape[1],
        BLOCK=_ENTRIES, num_warps=4)
    return row


def entries(
    running: torch.Tensor, bounds: torch.Tensor, ranks: torch.Tensor, numbers: torch.Tensor
) -> torch.Tensor:
    """Return what ``plain_steps.entries`` does."""
    count, marks = ranks.shape[0], numbers.shape[0]
    found = numbers.new_empty(count)
    _entries_kernel[(triton.cdiv(count, _ENTRIES),)](
        running, bounds, ranks, numbers, found, count, marks, STEPS=marks.bit_length(),
        BLOCK=_ENTRIES, num_warps=4)
    return found


def settle(
    transmitted: torch.Tensor, current: torch.Tensor, reference: torch.Tensor, due: torch.Tensor,
    ages: torch.Tensor, oldest: torch.Tensor,
) -> None:
    """Do what ``plain_steps.settle`` does."""
    count = transmitted.shape[0]
    _settle_kernel[(1 + triton.cdiv(count, _PATCHES),)](
        transmitted, current, reference, due, ages, oldest, count, ages.shape[0], VALUES=VALUES,
        ROWS=_PATCHES, WIDTH=triton.next_power_of_2(VALUES), BLOCK=_ENTRIES, num_warps=4)


def gather(source: torch.Tensor, table: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """Return what ``plain_steps.gather`` does."""
    heads, _, width = source.shape
    named = index.shape[0] * table.shape[1]
    found = source.new_empty(heads, index.shape[0], table.shape[1] * width)
    _gather_kernel[triton.cdiv(named * width, ELEMENTS), heads](
        source, table, index, found, named, table.shape[1], width, *source.stride()[:2],
        BLOCK=ELEMENTS, num_warps=4)
    return found


def relu_store(
    values: torch.Tensor, bias: torch.Tensor | None, rows: torch.Tensor, index: torch.Tensor
) -> None:
    """Do what ``plain_steps.relu_store`` does; ``values`` stay as they are."""
    heads, count, width = values.shape
    _relu_store_kernel[triton.cdiv(count * width, ELEMENTS), heads](
        values, values if bias is None else bias, rows, index, count, width,
        1 if bias is None else bias.shape[1], *rows.stride()[:2], HAS_BIAS=bias is not None,
        BLOCK=ELEMENTS, num_warps=4)


def predict(
    values: torch.Tensor, bias: torch.Tensor | None, matrices: torch.Tensor,
    offsets: torch.Tensor, rows: torch.Tensor, index: torch.Tensor,
) -> None:
    """Do what ``plain_steps.predict`` does; ``values`` stay as they are."""
    (heads, count, width), outputs = values.shape, matrices.shape[2]
    # 16 is the least side of a product of matrices in Triton
    block = min(_MOST_OUTPUTS, max(16, triton.next_power_of_2(outputs)))
    _predict_kernel[triton.cdiv(count, _PIXELS), triton.cdiv(outputs, block), heads](
        values, values if bias is None else bias, matrices, offsets, rows, index, count, width,
        outputs, 1 if bias is None else bias.shape[1], *rows.stride()[:2],
        HAS_BIAS=bias is not None, PIXELS=_PIXELS, INPUTS=_INPUTS, OUTPUTS=block, num_warps=4)


@triton.jit
def _mark_kernel(
    scores, turns, ages, controls, around, due, forced, marks, count,
    SOURCES: tl.constexpr, BLOCK: tl.constexpr,
):
    patch = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = patch < count
    threshold, turn, due_age = tl.load(controls), tl.load(controls + 1), tl.load(controls + 2)
    halo = tl.load(controls + 5)
    fired = tl.load(scores + patch, mask=inside, other=0.0) > threshold
    its_turn = tl.load(turns + patch, mask=inside, other=0).to(tl.float32) == turn
    its_age = tl.load(ages + patch, mask=inside, other=0).to(tl.float32) >= due_age
    refreshed = its_turn | its_age
    affected = fired
    for number in range(SOURCES):
        source = tl.load(around + patch * SOURCES + number, mask=inside, other=0)
        affected |= tl.load(scores + source, mask=inside, other=0.0) > threshold
    tl.store(due + patch, refreshed, mask=inside)
    tl.store(forced + patch, tl.where(halo == 0.0, refreshed, refreshed | affected), mask=inside)
    tl.store(marks + patch, fired, mask=inside)
    tl.store(marks + count + patch, refreshed, mask=inside)
    tl.store(marks + 2 * count + patch, fired | refreshed, mask=inside)
    tl.store(marks + 3 * count + patch, refreshed | affected, mask=inside)


@triton.jit
def _spread_kernel(
    marks, sources, row, marked, count, patches, SOURCES: tl.constexpr, BLOCK: tl.constexpr,
):
    entry = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    is_mark = entry < marked
    is_pixel = (entry >= marked) & (entry < count)
    found = tl.load(marks + entry, mask=is_mark, other=0) != 0
    for number in range(SOURCES):
        place = (entry - marked) * SOURCES + number
        source = tl.load(sources + place, mask=is_pixel, other=0)
        found |= tl.load(marks + 3 * patches + source, mask=is_pixel, other=0) != 0
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
    # binary search for the first mark whose running sum is at least the rank
    low = tl.zeros([BLOCK], dtype=tl.int32)
    high = tl.zeros([BLOCK], dtype=tl.int32) + marks
    for _ in range(STEPS):
        middle = (low + high) // 2
        open_ = low < high
        less = tl.load(running + 1 + middle, mask=open_, other=0) < rank
        low = tl.where(open_ & less, middle + 1, low)
        high = tl.where(open_ & (less == 0), middle, high)
    tl.store(found + entry, tl.load(numbers + low, mask=inside, other=0), mask=inside)


@triton.jit
def _settle_kernel(
    transmitted, current, reference, due, ages, oldest, count, patches, VALUES: tl.constexpr,
    ROWS: tl.constexpr, WIDTH: tl.constexpr, BLOCK: tl.constexpr,
):
    program = tl.program_id(0)
    # one program counts all ages, because it needs the largest; the others copy patches
    if program == 0:
        greatest = tl.zeros([BLOCK], dtype=tl.int32)
        for start in range(0, patches, BLOCK):
            patch = start + tl.arange(0, BLOCK)
            inside = patch < patches
            is_due = tl.load(due + patch, mask=inside, other=1) != 0
            age = tl.where(is_due, 0, tl.load(ages + patch, mask=inside, other=0) + 1)
            tl.store(ages + patch, age, mask=inside)
            greatest = tl.maximum(greatest, age)
        tl.store(oldest, tl.max(greatest, axis=0))
    else:
        entry = (program - 1) * ROWS + tl.arange(0, ROWS)
        column = tl.arange(0, WIDTH)
        place = tl.load(transmitted + entry, mask=entry < count, other=0)[:, None] * VALUES
        inside = (entry < count)[:, None] & (column < VALUES)[None, :]
        value = tl.load(current + place + column[None, :], mask=inside, other=0.0)
        tl.store(reference + place + column[None, :], value, mask=inside)


@triton.jit
def _gather_kernel(
    source, table, index, found, named, columns, width, head_stride, row_stride,
    BLOCK: tl.constexpr,
):
    head = tl.program_id(1)
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    entry, channel = place // width, place % width
    inside = entry < named
    listed = tl.load(index + entry // columns, mask=inside, other=0)
    # 64 bits, because a row times its stride may need more than the 32 of the table
    row = tl.load(table + listed * columns + entry % columns, mask=inside, other=0).to(tl.int64)
    value = tl.load(source + head * head_stride + row * row_stride + channel, mask=inside)
    tl.store(found + head * named * width + place, value, mask=inside)


@triton.jit
def _relu_store_kernel(
    values, bias, rows, index, count, width, repeats, head_stride, row_stride,
    HAS_BIAS: tl.constexpr, BLOCK: tl.constexpr,
):
    head = tl.program_id(1)
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    row, column = place // width, place % width
    inside = row < count
    x = tl.load(values + head * count * width + place, mask=inside, other=0.0).to(tl.float32)
    if HAS_BIAS:
        own = (head * repeats + row % repeats) * width + column
        x += tl.load(bias + own, mask=inside, other=0.0).to(tl.float32)
    x = tl.where(x < 0.0, 0.0, x)  # a maximum would turn NaN into 0
    target = tl.load(index + row, mask=inside, other=0)
    target = rows + head * head_stride + target * row_stride + column
    tl.store(target, x.to(rows.dtype.element_ty), mask=inside)


@triton.jit
def _predict_kernel(
    values, bias, matrices, offsets, rows, index, count, width, outputs, repeats, head_stride,
    row_stride, HAS_BIAS: tl.constexpr, PIXELS: tl.constexpr, INPUTS: tl.constexpr,
    OUTPUTS: tl.constexpr,
):
    head = tl.program_id(2)
    row = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    output = tl.program_id(1) * OUTPUTS + tl.arange(0, OUTPUTS)
    listed, wanted = row < count, output < outputs
    total = tl.zeros((PIXELS, OUTPUTS), dtype=tl.float32)
    for start in range(0, width, INPUTS):
        channel = start + tl.arange(0, INPUTS)
        inside = listed[:, None] & (channel < width)[None, :]
        place = (head * count + row[:, None]) * width + channel[None, :]
        x = tl.load(values + place, mask=inside, other=0.0).to(tl.float32)
        if HAS_BIAS:
            own = (head * repeats + row[:, None] % repeats) * width + channel[None, :]
            x += tl.load(bias + own, mask=inside, other=0.0).to(tl.float32)
        x = tl.where(x < 0.0, 0.0, x)  # a maximum would turn NaN into 0
        weight = tl.load(
            matrices + (head * width + channel[:, None]) * outputs + output[None, :],
            mask=(channel < width)[:, None] & wanted[None, :], other=0.0)
        # ieee, because TF32, the default, keeps 10 bits
        total += tl.dot(x, weight, input_precision='ieee')
    total += tl.load(offsets + head * outputs + output, mask=wanted, other=0.0)[None, :]
    target = tl.load(index + row, mask=listed, other=0)
    target = rows + head * head_stride + target[:, None] * row_stride + output[None, :]
    tl.store(target, total, mask=listed[:, None] & wanted[None, :])
