"""The fused steps as operators of PyTorch, which graphs, exports and counts see as one call."""

from dataclasses import dataclass
from typing import Any, Callable

import torch

from mtshare_ros.sharing.change import DetectorSteps, score, take_image
from mtshare_ros.sharing.noise_learning import adapt, Energies, energies
from mtshare_ros.sharing.static import entering, fused, gate_operators, marking, stores
from mtshare_ros.sharing.static.fused import Norm
from mtshare_ros.sharing.static.operator_library import define, KERNELS

__all__ = ['define', 'FUSED', 'KERNELS', 'Operators', 'operators_of', 'PLAIN']


@dataclass(frozen=True)
class Operators:
    """
    The steps that one kernel can do.

    They are the functions of ``fused``, ``entering``, ``stores`` and ``marking``, ``take_image``
    and ``score`` of ``change``, ``energies`` and ``adapt`` of ``noise_learning``.
    """

    residual_norm: Callable[..., tuple[torch.Tensor, torch.Tensor]]
    rotate_and_store: Callable[..., torch.Tensor]
    bias_gelu: Callable[..., torch.Tensor]
    gather: Callable[..., torch.Tensor]
    relu_store: Callable[..., None]
    predict: Callable[..., None]
    enter: Callable[..., tuple[torch.Tensor, torch.Tensor]]
    take: Callable[..., tuple[torch.Tensor, torch.Tensor, torch.Tensor]]
    norm_store: Callable[..., None]
    take_patches: Callable[..., None]
    take_image: Callable[..., None]
    score: Callable[..., torch.Tensor]
    mark: Callable[..., torch.Tensor]
    spread: Callable[..., torch.Tensor]
    entries: Callable[..., torch.Tensor]
    energies: Callable[..., Energies]
    adapt: Callable[..., None]
    settle: Callable[..., None]

    @property
    def detector(self) -> DetectorSteps:
        """Those of a ChangeDetector."""
        return DetectorSteps(self.take_image, self.score, self.energies, self.adapt)


def _kernels() -> Any:
    from mtshare_ros.sharing.static import kernels  # needs Triton
    return kernels


def _head_kernels() -> Any:
    from mtshare_ros.sharing.static import head_kernels  # needs Triton
    return head_kernels


def _entering_kernels() -> Any:
    from mtshare_ros.sharing.static import entering_kernels  # needs Triton
    return entering_kernels


def _plain_residual_norm(
    values: torch.Tensor, update: torch.Tensor, update_bias: torch.Tensor | None,
    weight: torch.Tensor, bias: torch.Tensor, eps: float, dtype: torch.dtype,
) -> tuple[torch.Tensor, torch.Tensor]:
    return fused.residual_norm(values, update, update_bias, Norm(weight, bias, eps), dtype)


def _shape_of_residual_norm(
    values: torch.Tensor, update: torch.Tensor, update_bias: torch.Tensor | None,
    weight: torch.Tensor, bias: torch.Tensor, eps: float, dtype: torch.dtype,
) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.empty_like(update, dtype=torch.float32), torch.empty_like(update, dtype=dtype)


def _plain_norm(
    values: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float,
    dtype: torch.dtype,
) -> torch.Tensor:
    return fused.residual_norm(values, None, None, Norm(weight, bias, eps), dtype)[1]


def _shape_of_norm(
    values: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float,
    dtype: torch.dtype,
) -> torch.Tensor:
    members = max(values.shape[0], weight.shape[0] if weight.ndim == 3 else 1)
    return values.new_empty((members, *values.shape[1:]), dtype=dtype)


def _plain_rotate_and_store(
    qkv: torch.Tensor, bias: torch.Tensor | None, rotation: torch.Tensor | None,
    cache: torch.Tensor, index: torch.Tensor, heads: int,
) -> torch.Tensor:
    # an operator must not return a view of what it was given
    return fused.rotate_and_store(qkv, bias, rotation, cache, index, heads).clone(
        memory_format=torch.contiguous_format)


def _plain_enter(
    tokens: torch.Tensor, position: torch.Tensor | None, index: torch.Tensor,
    reference: torch.Tensor, forced: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    values, scores = entering.enter(tokens, position, index, reference, forced)
    return values.clone() if values is tokens else values, scores


def _plain_take(
    values: torch.Tensor, cells: torch.Tensor, places: torch.Tensor | None,
    reference: torch.Tensor, prefix: torch.Tensor, prefix_index: torch.Tensor,
    weight: torch.Tensor, bias: torch.Tensor, eps: float, dtype: torch.dtype,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    index, rows, normed = entering.take(
        values, cells, places, reference, prefix, prefix_index, Norm(weight, bias, eps), dtype)
    return index.clone(), rows.clone(), normed


def _plain_norm_store(
    values: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float,
    buffer: torch.Tensor, index: torch.Tensor,
) -> None:
    entering.norm_store(values, Norm(weight, bias, eps), buffer, index)


def _shape_of_entered(
    tokens: torch.Tensor, *others: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    values = torch.empty_like(tokens, dtype=torch.float32)
    return values, values.new_empty(tokens.shape[0])


def _shape_of_taken(
    values: torch.Tensor, cells: torch.Tensor, places: torch.Tensor | None,
    reference: torch.Tensor, prefix: torch.Tensor, prefix_index: torch.Tensor,
    weight: torch.Tensor, bias: torch.Tensor, eps: float, dtype: torch.dtype,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rows = (cells if places is None else places).shape[0] + prefix.shape[0]
    shape = weight.shape[0] if weight.ndim == 3 else 1, rows, values.shape[1]
    return (cells.new_empty(rows), values.new_empty((1, *shape[1:])),
            values.new_empty(shape, dtype=dtype))


def _shape_of_gathered(
    source: torch.Tensor, table: torch.Tensor, index: torch.Tensor
) -> torch.Tensor:
    return source.new_empty(
        source.shape[0], index.shape[0], table.shape[1] * source.shape[2])


def _shape_of_query(qkv: torch.Tensor, *others: Any) -> torch.Tensor:
    return qkv.new_empty((*qkv.shape[:2], qkv.shape[2] // 3))


def _no_shape(*given: Any) -> None:
    """Nothing comes out."""


def _shape_of_rows(rows: torch.Tensor, *others: Any) -> torch.Tensor:
    return torch.empty_like(rows)


define('residual_norm(Tensor values, Tensor update, Tensor? update_bias, Tensor weight, '
       'Tensor bias, float eps, ScalarType dtype) -> (Tensor, Tensor)',
       plain=_plain_residual_norm, shape=_shape_of_residual_norm,
       kernel=lambda *given: _kernels().residual_norm(*given))
define('norm(Tensor values, Tensor weight, Tensor bias, float eps, ScalarType dtype) -> Tensor',
       plain=_plain_norm, shape=_shape_of_norm, kernel=lambda *given: _kernels().norm(*given))
define('rotate_and_store(Tensor(a!) qkv, Tensor? bias, Tensor? rotation, Tensor(b!) cache, '
       'Tensor index, int heads) -> Tensor', plain=_plain_rotate_and_store,
       shape=_shape_of_query, kernel=lambda *given: _kernels().rotate_and_store(*given))
define('bias_gelu(Tensor(a!) rows, Tensor? bias) -> Tensor', plain=fused.bias_gelu,
       shape=_shape_of_rows, kernel=lambda *given: _kernels().bias_gelu(*given))
define('gather(Tensor source, Tensor table, Tensor index) -> Tensor',
       plain=stores.gather, shape=_shape_of_gathered,
       kernel=lambda *given: _head_kernels().gather(*given))
define('relu_store(Tensor(a!) values, Tensor? bias, Tensor(b!) rows, Tensor index) -> ()',
       plain=stores.relu_store, shape=_no_shape,
       kernel=lambda *given: _head_kernels().relu_store(*given))
define('predict(Tensor(a!) values, Tensor? bias, Tensor matrices, Tensor offsets, '
       'Tensor(b!) rows, Tensor index) -> ()', plain=stores.predict, shape=_no_shape,
       kernel=lambda *given: _head_kernels().predict(*given))
define('enter(Tensor tokens, Tensor? position, Tensor index, Tensor reference, Tensor forced) '
       '-> (Tensor, Tensor)', plain=_plain_enter, shape=_shape_of_entered,
       kernel=lambda *given: _entering_kernels().enter(*given))
define('take(Tensor values, Tensor cells, Tensor? places, Tensor(a!) reference, Tensor prefix, '
       'Tensor prefix_index, Tensor weight, Tensor bias, float eps, ScalarType dtype) '
       '-> (Tensor, Tensor, Tensor)', plain=_plain_take, shape=_shape_of_taken,
       kernel=lambda *given: _entering_kernels().take(*given))
define('norm_store(Tensor values, Tensor weight, Tensor bias, float eps, Tensor(a!) buffer, '
       'Tensor index) -> ()', plain=_plain_norm_store, shape=_no_shape,
       kernel=lambda *given: _entering_kernels().norm_store(*given))
define('take_patches(Tensor image, Tensor patches, Tensor table, Tensor shift, Tensor unit, '
       'Tensor(a!) reference, int side, int block) -> ()', plain=entering.take_patches,
       shape=_no_shape, kernel=lambda *given: _entering_kernels().take_patches(*given))


def operators_of(calls: Any) -> Operators:
    """Return the steps made of operators that are attributes of ``calls``."""
    def residual_norm(
        values: torch.Tensor, update: torch.Tensor | None, update_bias: torch.Tensor | None,
        norm: Norm, dtype: torch.dtype,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if update is None:
            return values, calls.norm(values, norm.weight, norm.bias, norm.eps, dtype)
        return calls.residual_norm(
            values, update, update_bias, norm.weight, norm.bias, norm.eps, dtype)

    def take(*given: Any) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        *tensors, norm, dtype = given
        return calls.take(*tensors, norm.weight, norm.bias, norm.eps, dtype)

    def norm_store(
        values: torch.Tensor, norm: Norm, buffer: torch.Tensor, index: torch.Tensor
    ) -> None:
        calls.norm_store(values, norm.weight, norm.bias, norm.eps, buffer, index)
    return Operators(residual_norm, calls.rotate_and_store, calls.bias_gelu, calls.gather,
                     calls.relu_store, calls.predict, calls.enter, take, norm_store,
                     calls.take_patches, *(getattr(calls, name) for name in gate_operators.NAMES))


PLAIN = Operators(fused.residual_norm, fused.rotate_and_store, fused.bias_gelu,
                  stores.gather, stores.relu_store, stores.predict, entering.enter,
                  entering.take, entering.norm_store, entering.take_patches,
                  take_image, score, marking.mark, marking.spread, marking.entries, energies,
                  adapt, marking.settle)
"""Several launches each, on any device and in any export."""

FUSED = operators_of(torch.ops.mtshare)
"""One launch each on CUDA, with Triton; on the CPU they are the plain ones."""
