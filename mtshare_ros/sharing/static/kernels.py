"""
The steps of ``fused`` as Triton kernels, one launch each.

Imported only where Triton is. Sums and functions are computed in float32, whatever is read and
written; the kernels use nothing that Triton 3.0 does not have.
"""

import torch
import triton
import triton.language as tl

ELEMENTS = 1024
"""Elements of one program where every element is on its own."""

HALF_ROOT = tl.constexpr(0.5 ** 0.5)


def residual_norm(
    values: torch.Tensor, update: torch.Tensor, update_bias: torch.Tensor | None,
    weight: torch.Tensor, bias: torch.Tensor, eps: float, dtype: torch.dtype,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what ``fused.residual_norm`` does, for the weight and bias of its norm."""
    total = torch.empty_like(update, dtype=torch.float32)
    normed = torch.empty_like(update, dtype=dtype)
    _launch_norm(values, update, update_bias, weight, bias, eps, total, normed)
    return total, normed


def norm(
    values: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float,
    dtype: torch.dtype,
) -> torch.Tensor:
    """Return the norm that ``fused.residual_norm`` does without an update."""
    members = max(values.shape[0], weight.shape[0] if weight.ndim == 3 else 1)
    normed = values.new_empty((members, *values.shape[1:]), dtype=dtype)
    _launch_norm(values, None, None, weight, bias, eps, values, normed)
    return normed


def _launch_norm(
    values: torch.Tensor, update: torch.Tensor | None, update_bias: torch.Tensor | None,
    weight: torch.Tensor, bias: torch.Tensor, eps: float, total: torch.Tensor,
    normed: torch.Tensor,
) -> None:
    members, rows, width = normed.shape
    _residual_norm_kernel[rows, members](
        values.contiguous(), values if update is None else update,
        values if update_bias is None else update_bias, weight, bias, total, normed, rows, width,
        0 if values.shape[0] == 1 else rows * width, 0 if weight.ndim == 1 else width, eps,
        HAS_UPDATE=update is not None, HAS_BIAS=update_bias is not None,
        BLOCK=triton.next_power_of_2(width), num_warps=4)


def rotate_and_store(
    qkv: torch.Tensor, bias: torch.Tensor | None, rotation: torch.Tensor | None,
    cache: torch.Tensor, index: torch.Tensor, heads: int,
) -> torch.Tensor:
    """Do what ``fused.rotate_and_store`` does; ``qkv`` stays as it is."""
    members, rows, width = qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3
    query = qkv.new_empty((members, rows, width))
    _rotate_and_store_kernel[rows, members](
        qkv, qkv if bias is None else bias, qkv if rotation is None else rotation, cache, index,
        query, rows, width, cache.shape[1], HEAD=width // heads,
        HAS_BIAS=bias is not None, HAS_ROTATION=rotation is not None,
        BLOCK=triton.next_power_of_2(width), num_warps=4)
    return query


def bias_gelu(rows: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """Return what ``fused.bias_gelu`` does; ``rows`` stay as they are."""
    found = torch.empty_like(rows)
    count, width = rows.numel(), rows.shape[-1]
    _bias_gelu_kernel[(triton.cdiv(count, ELEMENTS),)](
        rows, rows if bias is None else bias, found, count, width, width * rows.shape[-2],
        HAS_BIAS=bias is not None, BLOCK=ELEMENTS, num_warps=4)
    return found


@triton.jit
def _residual_norm_kernel(
    values, update, update_bias, weight, shift, total, normed,
    rows, width, values_stride, norm_stride, eps,
    HAS_UPDATE: tl.constexpr, HAS_BIAS: tl.constexpr, BLOCK: tl.constexpr,
):
    row, member = tl.program_id(0), tl.program_id(1)
    column = tl.arange(0, BLOCK)
    inside = column < width
    place = (member * rows + row) * width + column
    own = member * width + column
    x = tl.load(values + member * values_stride + row * width + column, mask=inside, other=0.0)
    if HAS_UPDATE:
        x += tl.load(update + place, mask=inside, other=0.0).to(tl.float32)
        if HAS_BIAS:
            x += tl.load(update_bias + own, mask=inside, other=0.0).to(tl.float32)
        tl.store(total + place, x, mask=inside)
    mean = tl.sum(x, axis=0) / width
    apart = tl.where(inside, x - mean, 0.0)
    deviation = tl.sqrt(tl.sum(apart * apart, axis=0) / width + eps)
    scale = tl.load(weight + member * norm_stride + column, mask=inside, other=0.0)
    offset = tl.load(shift + member * norm_stride + column, mask=inside, other=0.0)
    found = apart / deviation * scale + offset
    tl.store(normed + place, found.to(normed.dtype.element_ty), mask=inside)


@triton.jit
def _rotate_and_store_kernel(
    qkv, bias, rotation, cache, index, query, rows, width, tokens,
    HEAD: tl.constexpr, HAS_BIAS: tl.constexpr, HAS_ROTATION: tl.constexpr, BLOCK: tl.constexpr,
):
    row, member = tl.program_id(0), tl.program_id(1)
    column = tl.arange(0, BLOCK)
    inside = column < width
    source = qkv + (member * rows + row) * 3 * width
    own_bias = bias + member * 3 * width
    q = _load_with_bias(source, own_bias, column, inside, HAS_BIAS)
    k = _load_with_bias(source + width, own_bias + width, column, inside, HAS_BIAS)
    v = _load_with_bias(source + 2 * width, own_bias + 2 * width, column, inside, HAS_BIAS)
    if HAS_ROTATION:
        quarter: tl.constexpr = HEAD // 4
        # the quarters of a head change places in pairs
        other = tl.where((column // quarter) % 2 == 0, column + quarter, column - quarter)
        turn = rotation + row * 2 * HEAD + column % HEAD
        cosine = tl.load(turn, mask=inside, other=0.0).to(tl.float32)
        sine = tl.load(turn + HEAD, mask=inside, other=0.0).to(tl.float32)
        q = q * cosine + _load_with_bias(source, own_bias, other, inside, HAS_BIAS) * sine
        k = k * cosine + sine * _load_with_bias(
            source + width, own_bias + width, other, inside, HAS_BIAS)
    kind: tl.constexpr = query.dtype.element_ty
    tl.store(query + (member * rows + row) * width + column, q.to(kind), mask=inside)
    target = cache + (member * tokens + tl.load(index + row)) * 2 * width + column
    tl.store(target, k.to(kind), mask=inside)
    tl.store(target + width, v.to(kind), mask=inside)


@triton.jit
def _load_with_bias(values, bias, column, inside, HAS_BIAS: tl.constexpr):
    found = tl.load(values + column, mask=inside, other=0.0).to(tl.float32)
    if HAS_BIAS:
        found += tl.load(bias + column, mask=inside, other=0.0).to(tl.float32)
    return found


@triton.jit
def _bias_gelu_kernel(
    rows, bias, found, count, width, member_stride, HAS_BIAS: tl.constexpr, BLOCK: tl.constexpr,
):
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = place < count
    x = tl.load(rows + place, mask=inside, other=0.0).to(tl.float32)
    if HAS_BIAS:
        own = place // member_stride * width + place % width
        x += tl.load(bias + own, mask=inside, other=0.0).to(tl.float32)
    gelu = 0.5 * x * (1.0 + tl.math.erf(x * HALF_ROOT))
    tl.store(found + place, gelu.to(found.dtype.element_ty), mask=inside)
