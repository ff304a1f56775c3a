"""The fused steps as operators of PyTorch, which graphs, exports and counts see as one call."""

from dataclasses import dataclass
from typing import Any, Callable

import torch

from mtshare_ros.sharing.static import fused, stores
from mtshare_ros.sharing.static.fused import Norm

NAMESPACE = 'mtshare'

LIBRARY = torch.library.Library(NAMESPACE, 'DEF')
"""Holds the operators, which are gone without it."""


@dataclass(frozen=True)
class Operators:
    """The steps that one kernel can do, as the functions of ``fused`` and ``stores``."""

    residual_norm: Callable[..., tuple[torch.Tensor, torch.Tensor]]
    rotate_and_store: Callable[..., torch.Tensor]
    bias_gelu: Callable[..., torch.Tensor]
    relu_store: Callable[..., None] = stores.relu_store
    relu_bias: Callable[..., torch.Tensor] = stores.relu_bias
    store: Callable[..., None] = stores.store


def define(
    schema: str, *, plain: Callable[..., Any], kernel: Callable[..., Any],
    shape: Callable[..., Any],
) -> None:
    """
    Add an operator with a schema as ``torch.library.Library.define`` takes it.

    It is ``plain`` on the CPU, ``kernel`` on CUDA and ``shape`` where tensors have no data.
    """
    name = schema.partition('(')[0]
    LIBRARY.define(schema)
    for key, function in (('CPU', plain), ('CUDA', _on_its_device(kernel)), ('Meta', shape)):
        LIBRARY.impl(name, function, key)


def _on_its_device(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """Return a kernel that runs where its first tensor is: Triton takes the current device."""
    def launch(first: torch.Tensor, *others: Any) -> Any:
        with torch.cuda.device(first.device):
            return kernel(first, *others)
    return launch


def _kernels() -> Any:
    from mtshare_ros.sharing.static import kernels  # needs Triton
    return kernels


def _residual_norm_on_cpu(
    values: torch.Tensor, update: torch.Tensor, update_bias: torch.Tensor | None,
    weight: torch.Tensor, bias: torch.Tensor, eps: float, dtype: torch.dtype,
) -> tuple[torch.Tensor, torch.Tensor]:
    return fused.residual_norm(values, update, update_bias, Norm(weight, bias, eps), dtype)


def _residual_norm_on_cuda(
    values: torch.Tensor, update: torch.Tensor, update_bias: torch.Tensor | None,
    weight: torch.Tensor, bias: torch.Tensor, eps: float, dtype: torch.dtype,
) -> tuple[torch.Tensor, torch.Tensor]:
    return _kernels().residual_norm(values, update, update_bias, Norm(weight, bias, eps), dtype)


def _residual_norm_shape(
    values: torch.Tensor, update: torch.Tensor, update_bias: torch.Tensor | None,
    weight: torch.Tensor, bias: torch.Tensor, eps: float, dtype: torch.dtype,
) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.empty_like(update, dtype=torch.float32), torch.empty_like(update, dtype=dtype)


def _norm_on_cpu(
    values: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float,
    dtype: torch.dtype,
) -> torch.Tensor:
    return fused.residual_norm(values, None, None, Norm(weight, bias, eps), dtype)[1]


def _norm_on_cuda(
    values: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float,
    dtype: torch.dtype,
) -> torch.Tensor:
    return _kernels().residual_norm(values, None, None, Norm(weight, bias, eps), dtype)[1]


def _norm_shape(
    values: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float,
    dtype: torch.dtype,
) -> torch.Tensor:
    members = max(values.shape[0], weight.shape[0] if weight.ndim == 3 else 1)
    return values.new_empty((members, *values.shape[1:]), dtype=dtype)


def _rotate_and_store_on_cpu(
    qkv: torch.Tensor, bias: torch.Tensor | None, rotation: torch.Tensor | None,
    cache: torch.Tensor, index: torch.Tensor, heads: int,
) -> torch.Tensor:
    # an operator must not return a view of what it was given
    return fused.rotate_and_store(qkv, bias, rotation, cache, index, heads).clone(
        memory_format=torch.contiguous_format)


def _rotate_and_store_on_cuda(
    qkv: torch.Tensor, bias: torch.Tensor | None, rotation: torch.Tensor | None,
    cache: torch.Tensor, index: torch.Tensor, heads: int,
) -> torch.Tensor:
    return _kernels().rotate_and_store(qkv, bias, rotation, cache, index, heads)


def _rotate_and_store_shape(
    qkv: torch.Tensor, bias: torch.Tensor | None, rotation: torch.Tensor | None,
    cache: torch.Tensor, index: torch.Tensor, heads: int,
) -> torch.Tensor:
    return qkv.new_empty((*qkv.shape[:2], qkv.shape[2] // 3))


def _bias_gelu_on_cuda(rows: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    return _kernels().bias_gelu(rows, bias)


def _bias_gelu_shape(rows: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    return torch.empty_like(rows)


define('residual_norm(Tensor values, Tensor update, Tensor? update_bias, Tensor weight, '
       'Tensor bias, float eps, ScalarType dtype) -> (Tensor, Tensor)',
       plain=_residual_norm_on_cpu, kernel=_residual_norm_on_cuda, shape=_residual_norm_shape)
define('norm(Tensor values, Tensor weight, Tensor bias, float eps, ScalarType dtype) -> Tensor',
       plain=_norm_on_cpu, kernel=_norm_on_cuda, shape=_norm_shape)
define('rotate_and_store(Tensor(a!) qkv, Tensor? bias, Tensor? rotation, Tensor(b!) cache, '
       'Tensor index, int heads) -> Tensor', plain=_rotate_and_store_on_cpu,
       kernel=_rotate_and_store_on_cuda, shape=_rotate_and_store_shape)
define('bias_gelu(Tensor(a!) rows, Tensor? bias) -> Tensor', plain=fused.bias_gelu,
       kernel=_bias_gelu_on_cuda, shape=_bias_gelu_shape)


def _residual_norm(
    values: torch.Tensor, update: torch.Tensor | None, update_bias: torch.Tensor | None,
    norm: Norm, dtype: torch.dtype,
) -> tuple[torch.Tensor, torch.Tensor]:
    if update is None:
        normed = torch.ops.mtshare.norm(values, norm.weight, norm.bias, norm.eps, dtype)
        return values, normed
    return torch.ops.mtshare.residual_norm(
        values, update, update_bias, norm.weight, norm.bias, norm.eps, dtype)


PLAIN = Operators(fused.residual_norm, fused.rotate_and_store, fused.bias_gelu)
"""Several launches each, on any device and in any export."""

FUSED = Operators(
    _residual_norm, torch.ops.mtshare.rotate_and_store, torch.ops.mtshare.bias_gelu)
"""One launch each on CUDA, with Triton; on the CPU they are the plain ones."""
