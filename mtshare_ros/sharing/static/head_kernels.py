"""
The steps of ``stores`` as Triton kernels, one launch each.

Imported only where Triton is. Sums and functions are computed in float32, whatever is read and
written; the kernels use nothing that Triton 3.0 does not have.
"""

import torch
import triton
import triton.language as tl

from mtshare_ros.sharing.static.kernels import ELEMENTS

_PIXELS, _INPUTS, _MOST_OUTPUTS = 32, 16, 64
"""Sides of the pieces that the last layer is computed in."""


def gather(source: torch.Tensor, table: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """Return what ``stores.gather`` does."""
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
    """Do what ``stores.relu_store`` does; ``values`` stay as they are."""
    heads, count, width = values.shape
    _relu_store_kernel[triton.cdiv(count * width, ELEMENTS), heads](
        values, values if bias is None else bias, rows, index, count, width,
        1 if bias is None else bias.shape[1], *rows.stride()[:2], HAS_BIAS=bias is not None,
        BLOCK=ELEMENTS, num_warps=4)


def predict(
    values: torch.Tensor, bias: torch.Tensor | None, matrices: torch.Tensor,
    offsets: torch.Tensor, rows: torch.Tensor, index: torch.Tensor,
) -> None:
    """Do what ``stores.predict`` does; ``values`` stay as they are."""
    (heads, count, width), outputs = values.shape, matrices.shape[2]
    block = min(_MOST_OUTPUTS, max(16, triton.next_power_of_2(outputs)))
    _predict_kernel[triton.cdiv(count, _PIXELS), triton.cdiv(outputs, block), heads](
        values, values if bias is None else bias, matrices, offsets, rows, index, count, width,
        outputs, 1 if bias is None else bias.shape[1], *rows.stride()[:2],
        HAS_BIAS=bias is not None, PIXELS=_PIXELS, INPUTS=_INPUTS, OUTPUTS=block, num_warps=4)


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
    x = tl.where(x < 0.0, 0.0, x)  # a maximum would hide what is no number
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
        x = tl.where(x < 0.0, 0.0, x)  # a maximum would hide what is no number
        weight = tl.load(
            matrices + (head * width + channel[:, None]) * outputs + output[None, :],
            mask=(channel < width)[:, None] & wanted[None, :], other=0.0)
        total += tl.dot(x, weight, input_precision='ieee')
    total += tl.load(offsets + head * outputs + output, mask=wanted, other=0.0)[None, :]
    target = tl.load(index + row, mask=listed, other=0)
    target = rows + head * head_stride + target[:, None] * row_stride + output[None, :]
    tl.store(target, total, mask=listed[:, None] & wanted[None, :])
