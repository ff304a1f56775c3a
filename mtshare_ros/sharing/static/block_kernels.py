"""
Triton kernels of what a transformer block does with listed tokens, one launch each.

Every function does what its namesake in ``plain_steps`` does. Sums and functions are computed in
float32, whatever is read and written; the kernels use nothing that Triton 3.0 does not have.
"""

import torch
import triton
import triton.language as tl

ELEMENTS = 1024
"""Elements of one program, in kernels that treat each element by itself."""

# Triton lets kernels read only those globals that are constexpr
HALF_ROOT = tl.constexpr(0.5 ** 0.5)
FORCED = tl.constexpr(torch.finfo(torch.float32).max)


def residual_norm(
    values: torch.Tensor, update: torch.Tensor, update_bias: torch.Tensor | None,
    weight: torch.Tensor, bias: torch.Tensor, eps: float, dtype: torch.dtype,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what ``plain_steps.residual_norm`` does, for the weight and bias of its norm."""
    total = torch.empty_like(update, dtype=torch.float32)
    normed = torch.empty_like(update, dtype=dtype)
    _launch_norm(values, update, update_bias, weight, bias, eps, total, normed)
    return total, normed


def norm(
    values: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float,
    dtype: torch.dtype,
) -> torch.Tensor:
    """Return the norm that ``plain_steps.residual_norm`` does without an update."""
    encoders = max(values.shape[0], weight.shape[0] if weight.ndim == 3 else 1)
    normed = values.new_empty((encoders, *values.shape[1:]), dtype=dtype)
    _launch_norm(values, None, None, weight, bias, eps, values, normed)
    return normed


def _launch_norm(
    values: torch.Tensor, update: torch.Tensor | None, update_bias: torch.Tensor | None,
    weight: torch.Tensor, bias: torch.Tensor, eps: float, total: torch.Tensor,
    normed: torch.Tensor,
) -> None:
    encoders, rows, width = normed.shape
    _residual_norm_kernel[rows, encoders](
        # what a flag turns off still needs a tensor; with a stride of 0 all encoders read the same
        values.contiguous(), values if update is None else update,
        values if update_bias is None else update_bias, weight, bias, total, normed, rows, width,
        0 if values.shape[0] == 1 else rows * width, 0 if weight.ndim == 1 else width, eps,
        HAS_UPDATE=update is not None, HAS_BIAS=update_bias is not None,
        BLOCK=triton.next_power_of_2(width), num_warps=4)


def rotate_and_store(
    qkv: torch.Tensor, bias: torch.Tensor | None, rotation: torch.Tensor | None,
    cache: torch.Tensor, index: torch.Tensor, heads: int,
) -> torch.Tensor:
    """Do what ``plain_steps.rotate_and_store`` does; ``qkv`` stays as it is."""
    encoders, rows, width = qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3
    query = qkv.new_empty((encoders, rows, width))
    _rotate_and_store_kernel[rows, encoders](
        qkv, qkv if bias is None else bias, qkv if rotation is None else rotation, cache, index,
        query, rows, width, cache.shape[1], HEAD=width // heads,
        HAS_BIAS=bias is not None, HAS_ROTATION=rotation is not None,
        BLOCK=triton.next_power_of_2(width), num_warps=4)
    return query


def bias_gelu(rows: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """Return what ``plain_steps.bias_gelu`` does; ``rows`` stay as they are."""
    found = torch.empty_like(rows)
    count, width = rows.numel(), rows.shape[-1]
    _bias_gelu_kernel[(triton.cdiv(count, ELEMENTS),)](
        rows, rows if bias is None else bias, found, count, width, width * rows.shape[-2],
        HAS_BIAS=bias is not None, BLOCK=ELEMENTS, num_warps=4)
    return found


def enter(
    tokens: torch.Tensor, position: torch.Tensor | None, index: torch.Tensor,
    reference: torch.Tensor, forced: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what ``plain_steps.enter`` does."""
    rows, width = tokens.shape
    values = torch.empty_like(tokens, dtype=torch.float32)
    scores = values.new_empty(rows)
    _enter_kernel[(rows,)](
        tokens, tokens if position is None else position, index, reference, forced, values,
        scores, width, HAS_POSITION=position is not None,
        BLOCK=triton.next_power_of_2(width), num_warps=4)
    return values, scores


def take(
    values: torch.Tensor, patches: torch.Tensor, places: torch.Tensor | None,
    reference: torch.Tensor, prefix: torch.Tensor, prefix_index: torch.Tensor,
    weight: torch.Tensor, bias: torch.Tensor, eps: float, dtype: torch.dtype,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return what ``plain_steps.take`` does, for the weight and bias of its norm."""
    width, kept = values.shape[1], (patches if places is None else places).shape[0]
    rows, encoders = kept + prefix.shape[0], weight.shape[0] if weight.ndim == 3 else 1
    index = patches.new_empty(rows)
    reused = values.new_empty((1, rows, width))
    normed = values.new_empty((encoders, rows, width), dtype=dtype)
    _take_kernel[rows, encoders](
        values, patches, patches if places is None else places, reference, prefix, prefix_index,
        weight, bias, index, reused, normed, rows, kept, width, 0 if weight.ndim == 1 else width,
        eps, HAS_PLACES=places is not None, BLOCK=triton.next_power_of_2(width), num_warps=4)
    return index, reused, normed


def norm_store(
    values: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float,
    buffer: torch.Tensor, index: torch.Tensor,
) -> None:
    """Do what ``plain_steps.norm_store`` does, for the weight and bias of its norm."""
    rows, width = values.shape[1:]
    _norm_store_kernel[rows, buffer.shape[0]](
        values, weight, bias, buffer, index, width,
        0 if values.shape[0] == 1 else rows * width, 0 if weight.ndim == 1 else width,
        *buffer.stride()[:2], eps, BLOCK=triton.next_power_of_2(width), num_warps=4)


@triton.jit
def _residual_norm_kernel(
    values, update, update_bias, weight, shift, total, normed,
    rows, width, values_stride, norm_stride, eps,
    HAS_UPDATE: tl.constexpr, HAS_BIAS: tl.constexpr, BLOCK: tl.constexpr,
):
    row, encoder = tl.program_id(0), tl.program_id(1)
    column = tl.arange(0, BLOCK)
    inside = column < width
    place = (encoder * rows + row) * width + column
    own = encoder * width + column
    x = tl.load(values + encoder * values_stride + row * width + column, mask=inside, other=0.0)
    if HAS_UPDATE:
        x += tl.load(update + place, mask=inside, other=0.0).to(tl.float32)
        if HAS_BIAS:
            x += tl.load(update_bias + own, mask=inside, other=0.0).to(tl.float32)
        tl.store(total + place, x, mask=inside)
    found = _normed(x, weight, shift, encoder * norm_stride, column, inside, width, eps)
    tl.store(normed + place, found.to(normed.dtype.element_ty), mask=inside)


@triton.jit
def _rotate_and_store_kernel(
    qkv, bias, rotation, cache, index, query, rows, width, tokens,
    HEAD: tl.constexpr, HAS_BIAS: tl.constexpr, HAS_ROTATION: tl.constexpr, BLOCK: tl.constexpr,
):
    row, encoder = tl.program_id(0), tl.program_id(1)
    column = tl.arange(0, BLOCK)
    inside = column < width
    source = qkv + (encoder * rows + row) * 3 * width
    own_bias = bias + encoder * 3 * width
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
    tl.store(query + (encoder * rows + row) * width + column, q.to(kind), mask=inside)
    target = cache + (encoder * tokens + tl.load(index + row)) * 2 * width + column
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
    rows, bias, found, count, width, encoder_stride, HAS_BIAS: tl.constexpr, BLOCK: tl.constexpr,
):
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = place < count
    x = tl.load(rows + place, mask=inside, other=0.0).to(tl.float32)
    if HAS_BIAS:
        own = place // encoder_stride * width + place % width
        x += tl.load(bias + own, mask=inside, other=0.0).to(tl.float32)
    gelu = 0.5 * x * (1.0 + tl.math.erf(x * HALF_ROOT))
    tl.store(found + place, gelu.to(found.dtype.element_ty), mask=inside)


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
    # row 0 has none before it, but must not read outside
    before = tl.load(index + tl.maximum(row - 1, 0))
    score = tl.where((row > 0) & (before == token), -1.0, score)
    tl.store(scores + row, score)


@triton.jit
def _take_kernel(
    values, patches, places, reference, prefix, prefix_index, weight, shift, index, reused, normed,
    rows, kept, width, norm_stride, eps, HAS_PLACES: tl.constexpr, BLOCK: tl.constexpr,
):
    row, encoder = tl.program_id(0), tl.program_id(1)
    column = tl.arange(0, BLOCK)
    inside = column < width
    if row < kept:
        place = row.to(tl.int64)
        if HAS_PLACES:
            place = tl.load(places + row)
        token = tl.load(patches + place)
        x = tl.load(values + place * width + column, mask=inside, other=0.0)
        tl.store(reference + token * width + column, x, mask=inside)
    else:
        token = tl.load(prefix_index + row - kept)
        x = tl.load(prefix + (row - kept) * width + column, mask=inside, other=0.0)
    tl.store(index + row, token)
    tl.store(reused + row * width + column, x, mask=inside)
    found = _normed(x, weight, shift, encoder * norm_stride, column, inside, width, eps)
    target = normed + (encoder * rows + row) * width + column
    tl.store(target, found.to(normed.dtype.element_ty), mask=inside)


@triton.jit
def _norm_store_kernel(
    values, weight, shift, buffer, index, width, values_stride, norm_stride, encoder_stride,
    row_stride, eps, BLOCK: tl.constexpr,
):
    row, encoder = tl.program_id(0), tl.program_id(1)
    column = tl.arange(0, BLOCK)
    inside = column < width
    x = tl.load(values + encoder * values_stride + row * width + column, mask=inside, other=0.0)
    found = _normed(x, weight, shift, encoder * norm_stride, column, inside, width, eps)
    target = buffer + encoder * encoder_stride + tl.load(index + row) * row_stride + column
    tl.store(target, found.to(buffer.dtype.element_ty), mask=inside)


@triton.jit
def _normed(x, weight, shift, own, column, inside, width, eps):
    mean = tl.sum(x, axis=0) / width
    # columns beyond the width hold 0, whose distance from the mean must not count
    apart = tl.where(inside, x - mean, 0.0)
    deviation = tl.sqrt(tl.sum(apart * apart, axis=0) / width + eps)
    scale = tl.load(weight + own + column, mask=inside, other=0.0)
    offset = tl.load(shift + own + column, mask=inside, other=0.0)
    return apart / deviation * scale + offset
