"""The steps of ``marking``, and the scores of patches, as Triton kernels, one launch each."""

import torch
import triton
import triton.language as tl

from mtshare_ros.sharing.change import NOTICED
from mtshare_ros.sharing.noise import KNOT_STEP
from mtshare_ros.sharing.pooling import VALUES

_PATCHES = 16
"""Patches of one program, where each is a row of values."""

_ENTRIES = 256
"""Entries of one program."""


def score(
    current: torch.Tensor, reference: torch.Tensor, rise: torch.Tensor,
    log_variance: torch.Tensor, weights: torch.Tensor | None, least: float,
) -> torch.Tensor:
    """Return what ``change.score`` does, the weights worked out anew."""
    count = current.shape[0]
    scores = current.new_empty(count)
    _score_kernel[(triton.cdiv(count, _PATCHES),)](
        current, reference, rise, log_variance, scores, count, least,
        NOTICED ** 2 / (2 * least), 1 / KNOT_STEP, VALUES=VALUES, KNOTS=log_variance.shape[0],
        ROWS=_PATCHES, BLOCK=triton.next_power_of_2(VALUES), num_warps=4)
    return scores


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
def _score_kernel(
    current, reference, rise, log_variance, scores, count, least, floor, per_level,
    VALUES: tl.constexpr, KNOTS: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr,
):
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    column = tl.arange(0, BLOCK)
    inside = (row < count)[:, None] & (column < VALUES)[None, :]
    place = row[:, None] * VALUES + column[None, :]
    value = tl.load(current + place, mask=inside, other=0.0)
    change = value - tl.load(reference + place, mask=inside, other=0.0)
    square = tl.sum(change * change, axis=1) / (2 * VALUES)
    level = tl.sum(value, axis=1) / VALUES * per_level
    logarithm = tl.zeros([ROWS], dtype=tl.float32)
    for knot in tl.static_range(KNOTS):
        risen = tl.minimum(tl.maximum(level + tl.load(rise + knot), 0.0), 1.0)
        fallen = tl.minimum(tl.maximum(level + tl.load(rise + knot + 1), 0.0), 1.0)
        logarithm += (risen - fallen) * tl.load(log_variance + knot)
    variance = tl.exp(logarithm)
    excess = tl.maximum(square - variance, 0.0)
    found = tl.sqrt(excess / (tl.maximum(variance, floor) * least))
    tl.store(scores + row, found, mask=row < count)


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
