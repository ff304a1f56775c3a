"""
Triton kernels that read the image and learn its noise, one launch each.

Every function does what its namesake in ``plain_steps``, ``change`` or ``noise_learning`` does.
"""

import torch
import triton
import triton.language as tl

from mtshare_ros.sharing import noise_statistics as noise_learning
from mtshare_ros.sharing.change import NOTICED
from mtshare_ros.sharing.noise_statistics import COLORS, KNOT_STEP, SIDE, VALUES

_PATCHES = 16
"""Patches of one program, each of them a row of values."""

_ENTRIES = 256
"""Patches that are summed up at once."""

_FEWEST = 16
"""Fewest rows and columns of a product of matrices in Triton."""

# Triton lets kernels read only those globals that are constexpr
LOUD = tl.constexpr(noise_learning.LOUD)
QUARTER = tl.constexpr(noise_learning.SHARES[1])
LEAST_SCALE = tl.constexpr(noise_learning.LEAST_SCALE)
FALL_GAIN = tl.constexpr(noise_learning.FALL_GAIN)
PROFILE_GAIN = tl.constexpr(noise_learning.PROFILE_GAIN)
PROFILE_COUNT = tl.constexpr(noise_learning.PROFILE_COUNT)
MOST_CONTRAST = tl.constexpr(noise_learning.MOST_CONTRAST)
MOST_STEPS = tl.constexpr(noise_learning.MOST_STEPS)


def take_patches(
    image: torch.Tensor, transmitted: torch.Tensor, table: torch.Tensor, shift: torch.Tensor,
    unit: torch.Tensor, reference: torch.Tensor, side: int, block: int,
) -> None:
    """Do what ``plain_steps.take_patches`` does, without its table."""
    _take_patches_kernel[transmitted.shape[0], side * side](
        image.contiguous(), transmitted, shift, unit, reference, image.shape[1], block, side,
        BLOCK=triton.next_power_of_2(block * block * 3), num_warps=4)


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


def energies(
    current: torch.Tensor, past: torch.Tensor, rise: torch.Tensor, log_variance: torch.Tensor,
    matrices: torch.Tensor, scale: float,
) -> noise_learning.Energies:
    """Return what ``noise_learning.energies`` does."""
    count, levels = current.shape[0], log_variance.shape[0]
    ratio, energy = current.new_empty(count), current.new_empty((2, count))
    weights = current.new_empty((count, levels))
    _energies_kernel[(triton.cdiv(count, _PATCHES),)](
        current, past, rise, log_variance, ratio, energy, weights, count, scale,
        1 / noise_learning.MOST_GROWTH, 1 / KNOT_STEP, VALUES=VALUES, COLORS=COLORS, KNOTS=levels,
        ROWS=_PATCHES, BLOCK=triton.next_power_of_2(VALUES), num_warps=4)
    return ratio, energy, weights


def adapt(
    ratio: torch.Tensor, energy: torch.Tensor, ordered: torch.Tensor, growth: torch.Tensor,
    weights: torch.Tensor, places: torch.Tensor, most: torch.Tensor, log_variance: torch.Tensor,
    steps: torch.Tensor, shrinkage: float,
) -> None:
    """Do what ``noise_learning.adapt`` does; ``ratio`` stays as it is."""
    # a single program, because it needs sums over all patches
    _adapt_kernel[(1,)](
        ratio, energy, ordered, growth, weights, places, most, log_variance, steps,
        ratio.shape[0], noise_learning.silence_of(shrinkage),
        *noise_learning.bounds_of(shrinkage), KNOTS=log_variance.shape[0], BLOCK=_ENTRIES,
        num_warps=4)


@triton.jit
def _take_patches_kernel(
    image, transmitted, shift, unit, reference, image_width, block, side, BLOCK: tl.constexpr,
):
    patch = tl.load(transmitted + tl.program_id(0))
    number = tl.program_id(1)
    strip = block * 3
    columns = image_width // (side * block)
    row = patch // columns * side + number // side
    column = patch % columns * side + number % side
    value = tl.arange(0, BLOCK)
    inside = value < block * strip
    source = (row * block + value // strip) * (image_width * 3) + column * strip + value % strip
    pixel = tl.load(image + source, mask=inside, other=0).to(tl.float32)
    start = tl.load(shift + value, mask=inside, other=0.0).to(tl.float32)
    found = start + pixel * tl.load(unit).to(tl.float32)
    target = reference + (row * (columns * side) + column) * (block * strip) + value
    tl.store(target, found.to(reference.dtype.element_ty), mask=inside)


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
        # ieee, because TF32, the default, keeps 10 bits
        sums = tl.dot(tl.dot(down, pixels, input_precision='ieee'), across,
                      input_precision='ieee')
        last = tl.load(current + target + color, mask=inside, other=0.0)
        tl.store(past + target + color, last, mask=inside)
        tl.store(current + target + color, sums * scale, mask=inside)


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
def _energies_kernel(
    current, past, rise, log_variance, ratio, energy, weights, count, scale, per_growth,
    per_level, VALUES: tl.constexpr, COLORS: tl.constexpr, KNOTS: tl.constexpr,
    ROWS: tl.constexpr, BLOCK: tl.constexpr,
):
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    column = tl.arange(0, BLOCK)
    inside = (row < count)[:, None] & (column < VALUES)[None, :]
    place = row[:, None] * VALUES + column[None, :]
    value = tl.load(current + place, mask=inside, other=0.0)
    last = value - tl.load(past + place, mask=inside, other=0.0)
    older = value - tl.load(past + count * VALUES + place, mask=inside, other=0.0)
    first = _square_around(last, column, VALUES, COLORS) * scale
    second = _square_around(older, column, VALUES, COLORS) * (scale * per_growth)
    level = tl.sum(value, axis=1) / VALUES * per_level
    logarithm = tl.zeros([ROWS], dtype=tl.float32)
    for knot in tl.static_range(KNOTS):
        risen = tl.minimum(tl.maximum(level + tl.load(rise + knot), 0.0), 1.0)
        fallen = tl.minimum(tl.maximum(level + tl.load(rise + knot + 1), 0.0), 1.0)
        tl.store(weights + row * KNOTS + knot, risen - fallen, mask=row < count)
        logarithm += (risen - fallen) * tl.load(log_variance + knot)
    tl.store(energy + row, first, mask=row < count)
    tl.store(energy + count + row, second, mask=row < count)
    tl.store(ratio + row, first / tl.exp(logarithm), mask=row < count)


@triton.jit
def _square_around(change, column, VALUES: tl.constexpr, COLORS: tl.constexpr):
    for color in tl.static_range(COLORS):
        own = ((column % COLORS == color) & (column < VALUES))[None, :]
        mean = tl.sum(tl.where(own, change, 0.0), axis=1) / (VALUES // COLORS)
        change = tl.where(own, change - mean[:, None], change)
    return tl.sum(change * change, axis=1)


@triton.jit
def _adapt_kernel(
    ratio, energy, ordered, growth, weights, places, most, log_variance, steps,
    count, silence, lowest, highest, KNOTS: tl.constexpr, BLOCK: tl.constexpr,
):
    knot = tl.arange(0, KNOTS)
    counts = tl.zeros([KNOTS], dtype=tl.float32)
    quietest = tl.zeros([KNOTS], dtype=tl.float32)
    silent = tl.zeros([BLOCK], dtype=tl.int32)
    for start in range(0, count, BLOCK):
        row = start + tl.arange(0, BLOCK)
        inside = row < count
        weight = tl.load(weights + row[:, None] * KNOTS + knot[None, :], mask=inside[:, None],
                         other=0.0)
        # entries beyond the end read as loud and not silent, so that they count nowhere
        is_quietest = tl.load(ratio + row, mask=inside, other=LOUD) < LOUD
        counts += tl.sum(weight, axis=0)
        quietest += tl.sum(tl.where(is_quietest[:, None], weight, 0.0), axis=0)
        silent += (tl.load(energy + row, mask=inside, other=silence) < silence).to(tl.int32)
    own_places = places + tl.sum(silent, axis=0) * 3
    scale = tl.load(ordered + tl.load(own_places))
    quarter = tl.load(ordered + tl.load(own_places + 1))
    half = tl.load(ordered + tl.load(own_places + 2))
    quiet = (quarter <= scale * tl.load(most + 1)) & (tl.load(growth + 1) <= tl.load(growth))
    still = quiet & (half <= scale * tl.load(most + 2))
    log_scale = tl.log(tl.maximum(scale, LEAST_SCALE))
    known = tl.load(steps)
    shift = tl.where(quiet, log_scale / known, tl.minimum(log_scale, 0.0) * FALL_GAIN)
    lean = (quietest - QUARTER * counts) / (counts + PROFILE_COUNT)
    value = tl.load(log_variance + knot) + tl.where(still, -PROFILE_GAIN * lean, 0.0) + shift
    level = tl.sum(value * counts, axis=0) / count
    value = level + tl.minimum(tl.maximum(value - level, -MOST_CONTRAST), MOST_CONTRAST)
    tl.store(log_variance + knot, tl.minimum(tl.maximum(value, lowest), highest))
    tl.store(steps, tl.minimum(known + tl.where(quiet, 1.0, 0.0), MOST_STEPS))
