"""
The steps of ``entering`` as Triton kernels, one launch each.

Imported only where Triton is. Sums are computed in float32, whatever is read and written.
"""

import torch
import triton
import triton.language as tl

FORCED = tl.constexpr(torch.finfo(torch.float32).max)


def enter(
    tokens: torch.Tensor, position: torch.Tensor | None, index: torch.Tensor,
    reference: torch.Tensor, forced: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what ``entering.enter`` does."""
    rows, width = tokens.shape
    values = torch.empty_like(tokens, dtype=torch.float32)
    scores = values.new_empty(rows)
    _enter_kernel[(rows,)](
        tokens, tokens if position is None else position, index, reference, forced, values,
        scores, width, HAS_POSITION=position is not None,
        BLOCK=triton.next_power_of_2(width), num_warps=4)
    return values, scores


def take(
    values: torch.Tensor, cells: torch.Tensor, places: torch.Tensor | None,
    reference: torch.Tensor, prefix: torch.Tensor, prefix_index: torch.Tensor,
    weight: torch.Tensor, bias: torch.Tensor, eps: float, dtype: torch.dtype,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return what ``entering.take`` does, for the weight and bias of its norm."""
    width, kept = values.shape[1], (cells if places is None else places).shape[0]
    rows, members = kept + prefix.shape[0], weight.shape[0] if weight.ndim == 3 else 1
    index = cells.new_empty(rows)
    taken = values.new_empty((1, rows, width))
    normed = values.new_empty((members, rows, width), dtype=dtype)
    _take_kernel[rows, members](
        values, cells, cells if places is None else places, reference, prefix, prefix_index,
        weight, bias, index, taken, normed, rows, kept, width, 0 if weight.ndim == 1 else width,
        eps, HAS_PLACES=places is not None, BLOCK=triton.next_power_of_2(width), num_warps=4)
    return index, taken, normed


def norm_store(
    values: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float,
    buffer: torch.Tensor, index: torch.Tensor,
) -> None:
    """Do what ``entering.norm_store`` does, for the weight and bias of its norm."""
    rows, width = values.shape[1:]
    _norm_store_kernel[rows, buffer.shape[0]](
        values, weight, bias, buffer, index, width,
        0 if values.shape[0] == 1 else rows * width, 0 if weight.ndim == 1 else width,
        *buffer.stride()[:2], eps, BLOCK=triton.next_power_of_2(width), num_warps=4)


def take_patches(
    image: torch.Tensor, patches: torch.Tensor, table: torch.Tensor, shift: torch.Tensor,
    unit: torch.Tensor, reference: torch.Tensor, side: int, block: int,
) -> None:
    """Do what ``entering.take_patches`` does, without its table."""
    _take_patches_kernel[patches.shape[0], side * side](
        image.contiguous(), patches, shift, unit, reference, image.shape[1], block, side,
        BLOCK=triton.next_power_of_2(block * block * 3), num_warps=4)


@triton.jit
def _enter_kernel(
    tokens, position, index, reference, forced, values, scores, width,
    HAS_POSITION: tl.constexpr, BLOCK: tl.constexpr,
):
    row = tl.program_id(0)
    column = tl.arange(0, BLOCK)
    inside = column < width
    token = tl.load(index + row)
    x = tl.load(tokens + row * width + column, mask=inside, other=0.0).to(tl.float32)
    if HAS_POSITION:
        x += tl.load(position + token * width + column, mask=inside, other=0.0)
    tl.store(values + row * width + column, x, mask=inside)
    apart = x - tl.load(reference + token * width + column, mask=inside, other=0.0)
    score = tl.sqrt(tl.sum(apart * apart, axis=0))
    score = tl.where(tl.load(forced + row) != 0, FORCED, score)
    before = tl.load(index + tl.maximum(row - 1, 0))
    score = tl.where((row > 0) & (before == token), -1.0, score)
    tl.store(scores + row, score)


@triton.jit
def _take_kernel(
    values, cells, places, reference, prefix, prefix_index, weight, shift, index, taken, normed,
    rows, kept, width, norm_stride, eps, HAS_PLACES: tl.constexpr, BLOCK: tl.constexpr,
):
    row, member = tl.program_id(0), tl.program_id(1)
    column = tl.arange(0, BLOCK)
    inside = column < width
    if row < kept:
        place = row.to(tl.int64)
        if HAS_PLACES:
            place = tl.load(places + row)
        token = tl.load(cells + place)
        x = tl.load(values + place * width + column, mask=inside, other=0.0)
        tl.store(reference + token * width + column, x, mask=inside)
    else:
        token = tl.load(prefix_index + row - kept)
        x = tl.load(prefix + (row - kept) * width + column, mask=inside, other=0.0)
    tl.store(index + row, token)
    tl.store(taken + row * width + column, x, mask=inside)
    found = _normed(x, weight, shift, member * norm_stride, column, inside, width, eps)
    target = normed + (member * rows + row) * width + column
    tl.store(target, found.to(normed.dtype.element_ty), mask=inside)


@triton.jit
def _norm_store_kernel(
    values, weight, shift, buffer, index, width, values_stride, norm_stride, member_stride,
    row_stride, eps, BLOCK: tl.constexpr,
):
    row, member = tl.program_id(0), tl.program_id(1)
    column = tl.arange(0, BLOCK)
    inside = column < width
    x = tl.load(values + member * values_stride + row * width + column, mask=inside, other=0.0)
    found = _normed(x, weight, shift, member * norm_stride, column, inside, width, eps)
    target = buffer + member * member_stride + tl.load(index + row) * row_stride + column
    tl.store(target, found.to(buffer.dtype.element_ty), mask=inside)


@triton.jit
def _normed(x, weight, shift, own, column, inside, width, eps):
    mean = tl.sum(x, axis=0) / width
    apart = tl.where(inside, x - mean, 0.0)
    deviation = tl.sqrt(tl.sum(apart * apart, axis=0) / width + eps)
    scale = tl.load(weight + own + column, mask=inside, other=0.0)
    offset = tl.load(shift + own + column, mask=inside, other=0.0)
    return apart / deviation * scale + offset


@triton.jit
def _take_patches_kernel(
    image, patches, shift, unit, reference, image_width, block, side, BLOCK: tl.constexpr,
):
    patch = tl.load(patches + tl.program_id(0))
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
