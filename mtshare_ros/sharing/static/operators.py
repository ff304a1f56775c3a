"""The steps that one kernel can do, as operators that graphs and exports see as one call each."""

from dataclasses import dataclass, fields
from types import ModuleType
from typing import Any, Callable

import torch

from mtshare_ros.sharing import change, noise_statistics as noise_learning
from mtshare_ros.sharing.change import DetectorSteps
from mtshare_ros.sharing.noise_statistics import Energies
from mtshare_ros.sharing.static import plain_steps
from mtshare_ros.sharing.static.plain_steps import Norm

NAMESPACE = 'mtshare'

LIBRARY = torch.library.Library(NAMESPACE, 'DEF')
"""Keeps the operators defined for as long as it lives."""

KERNELS: dict[str, Callable[..., Any]] = {}
"""What runs on CUDA, by operator."""


# imported by the first launch, because these modules need Triton
def _block_kernels() -> ModuleType:
    from mtshare_ros.sharing.static import block_kernels
    return block_kernels


def _image_kernels() -> ModuleType:
    from mtshare_ros.sharing.static import image_kernels
    return image_kernels


def _list_kernels() -> ModuleType:
    from mtshare_ros.sharing.static import list_kernels
    return list_kernels


@dataclass(frozen=True)
class Operators:
    """
    One function for each step that one kernel can do.

    They are the functions of ``plain_steps``, ``take_image`` and ``score`` of ``change``,
    ``energies`` and ``adapt`` of ``noise_learning``, or operators that replace them.
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
        """The steps of a ChangeDetector."""
        return DetectorSteps(self.take_image, self.score, self.energies, self.adapt)


def _no_shape(*given: Any) -> None:
    """Return nothing, as operators do that only write."""


def define(
    schema: str, kernels: Callable[[], ModuleType], *, plain: Callable[..., Any],
    shape: Callable[..., Any] = _no_shape,
) -> None:
    """
    Add an operator with a schema as ``torch.library.Library.define`` takes it.

    It is ``plain`` on the CPU, ``shape`` where tensors have no data, and on CUDA the function of
    its name in the module that ``kernels`` imports, when the operator first runs there, because
    kernels need Triton.
    """
    name = schema.partition('(')[0]

    def launch(first: torch.Tensor, *others: Any) -> Any:
        with torch.cuda.device_of(first):  # Triton takes the current device
            return getattr(kernels(), name)(first, *others)

    KERNELS[name] = launch
    LIBRARY.define(schema)
    for key, function in (('CPU', plain), ('CUDA', launch), ('Meta', shape)):
        LIBRARY.impl(name, function, key)


def _plain_residual_norm(
    values: torch.Tensor, update: torch.Tensor, update_bias: torch.Tensor | None,
    weight: torch.Tensor, bias: torch.Tensor, eps: float, dtype: torch.dtype,
) -> tuple[torch.Tensor, torch.Tensor]:
    return plain_steps.residual_norm(values, update, update_bias, Norm(weight, bias, eps), dtype)


def _shape_of_residual_norm(*given: Any) -> tuple[torch.Tensor, torch.Tensor]:
    update, dtype = given[1], given[-1]
    return torch.empty_like(update, dtype=torch.float32), torch.empty_like(update, dtype=dtype)


def _plain_norm(
    values: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float,
    dtype: torch.dtype,
) -> torch.Tensor:
    return plain_steps.residual_norm(values, None, None, Norm(weight, bias, eps), dtype)[1]


def _shape_of_norm(
    values: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float,
    dtype: torch.dtype,
) -> torch.Tensor:
    encoders = max(values.shape[0], weight.shape[0] if weight.ndim == 3 else 1)
    return values.new_empty((encoders, *values.shape[1:]), dtype=dtype)


def _plain_rotate_and_store(*given: Any) -> torch.Tensor:
    # an operator must not return a view of its input
    return plain_steps.rotate_and_store(*given).clone(memory_format=torch.contiguous_format)


def _shape_of_query(qkv: torch.Tensor, *others: Any) -> torch.Tensor:
    return qkv.new_empty((*qkv.shape[:2], qkv.shape[2] // 3))


def _shape_of_gathered(
    source: torch.Tensor, table: torch.Tensor, index: torch.Tensor
) -> torch.Tensor:
    return source.new_empty(
        source.shape[0], index.shape[0], table.shape[1] * source.shape[2])


def _plain_enter(tokens: torch.Tensor, *others: Any) -> tuple[torch.Tensor, torch.Tensor]:
    values, scores = plain_steps.enter(tokens, *others)
    # nor may it return the input itself, which tokens in float32 without a position are
    return values.clone() if values is tokens else values, scores


def _shape_of_entered(tokens: torch.Tensor, *others: Any) -> tuple[torch.Tensor, torch.Tensor]:
    values = torch.empty_like(tokens, dtype=torch.float32)
    return values, values.new_empty(tokens.shape[0])


def _plain_take(
    values: torch.Tensor, patches: torch.Tensor, places: torch.Tensor | None,
    reference: torch.Tensor, prefix: torch.Tensor, prefix_index: torch.Tensor,
    weight: torch.Tensor, bias: torch.Tensor, eps: float, dtype: torch.dtype,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    index, rows, normed = plain_steps.take(
        values, patches, places, reference, prefix, prefix_index, Norm(weight, bias, eps), dtype)
    # where nothing is cut and there is no prefix, these are the input
    return index.clone(), rows.clone(), normed


def _shape_of_taken(
    values: torch.Tensor, patches: torch.Tensor, places: torch.Tensor | None,
    reference: torch.Tensor, prefix: torch.Tensor, prefix_index: torch.Tensor,
    weight: torch.Tensor, bias: torch.Tensor, eps: float, dtype: torch.dtype,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rows = (patches if places is None else places).shape[0] + prefix.shape[0]
    shape = weight.shape[0] if weight.ndim == 3 else 1, rows, values.shape[1]
    return (patches.new_empty(rows), values.new_empty((1, *shape[1:])),
            values.new_empty(shape, dtype=dtype))


def _plain_norm_store(
    values: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float,
    buffer: torch.Tensor, index: torch.Tensor,
) -> None:
    plain_steps.norm_store(values, Norm(weight, bias, eps), buffer, index)


def _shape_of_energies(
    current: torch.Tensor, past: torch.Tensor, rise: torch.Tensor, log_variance: torch.Tensor,
    matrices: torch.Tensor, scale: float,
) -> Energies:
    count = current.shape[0]
    return (current.new_empty(count), current.new_empty((2, count)),
            current.new_empty((count, log_variance.shape[0])))


# `(a!)` is what the plain steps overwrite, even where the kernels leave it as it is
define('residual_norm(Tensor values, Tensor update, Tensor? update_bias, Tensor weight, '
       'Tensor bias, float eps, ScalarType dtype) -> (Tensor, Tensor)', _block_kernels,
       plain=_plain_residual_norm, shape=_shape_of_residual_norm)
define('norm(Tensor values, Tensor weight, Tensor bias, float eps, ScalarType dtype) -> Tensor',
       _block_kernels, plain=_plain_norm, shape=_shape_of_norm)
define('rotate_and_store(Tensor(a!) qkv, Tensor? bias, Tensor? rotation, Tensor(b!) cache, '
       'Tensor index, int heads) -> Tensor', _block_kernels,
       plain=_plain_rotate_and_store, shape=_shape_of_query)
define('bias_gelu(Tensor(a!) rows, Tensor? bias) -> Tensor', _block_kernels,
       plain=plain_steps.bias_gelu, shape=lambda rows, bias: torch.empty_like(rows))
define('enter(Tensor tokens, Tensor? position, Tensor index, Tensor reference, Tensor forced) '
       '-> (Tensor, Tensor)', _block_kernels, plain=_plain_enter, shape=_shape_of_entered)
define('take(Tensor values, Tensor patches, Tensor? places, Tensor(a!) reference, Tensor prefix, '
       'Tensor prefix_index, Tensor weight, Tensor bias, float eps, ScalarType dtype) '
       '-> (Tensor, Tensor, Tensor)', _block_kernels, plain=_plain_take, shape=_shape_of_taken)
define('norm_store(Tensor values, Tensor weight, Tensor bias, float eps, Tensor(a!) buffer, '
       'Tensor index) -> ()', _block_kernels, plain=_plain_norm_store)
define('take_patches(Tensor image, Tensor patches, Tensor table, Tensor shift, Tensor unit, '
       'Tensor(a!) reference, int side, int block) -> ()', _image_kernels,
       plain=plain_steps.take_patches)
define('take_image(Tensor image, Tensor(a!) current, Tensor(b!) past, Tensor lines, '
       'Tensor matrix, int rows, int columns) -> ()', _image_kernels, plain=change.take_image)
define('score(Tensor current, Tensor reference, Tensor rise, Tensor log_variance, '
       'Tensor? weights, float least) -> Tensor', _image_kernels, plain=change.score,
       shape=lambda current, *others: current.new_empty(current.shape[0]))
define('energies(Tensor current, Tensor past, Tensor rise, Tensor log_variance, '
       'Tensor matrices, float scale) -> (Tensor, Tensor, Tensor)', _image_kernels,
       plain=noise_learning.energies, shape=_shape_of_energies)
define('adapt(Tensor(a!) ratio, Tensor energy, Tensor ordered, Tensor growth, Tensor weights, '
       'Tensor places, Tensor most, Tensor(b!) log_variance, Tensor(c!) steps, float shrinkage) '
       '-> ()', _image_kernels, plain=noise_learning.adapt)
define('mark(Tensor scores, Tensor turns, Tensor ages, Tensor controls, Tensor around, '
       'Tensor(a!) due, Tensor(b!) forced) -> Tensor', _list_kernels, plain=plain_steps.mark,
       shape=lambda scores, *others: scores.new_empty((4, len(scores)), dtype=torch.bool))
define('spread(Tensor marks, Tensor sources) -> Tensor', _list_kernels, plain=plain_steps.spread,
       shape=lambda marks, sources: marks.new_empty(marks.numel() + sources.shape[0]))
define('entries(Tensor running, Tensor bounds, Tensor ranks, Tensor numbers) -> Tensor',
       _list_kernels, plain=plain_steps.entries,
       shape=lambda running, bounds, ranks, numbers: numbers.new_empty(ranks.shape[0]))
define('settle(Tensor patches, Tensor current, Tensor(a!) reference, Tensor due, '
       'Tensor(b!) ages, Tensor(c!) oldest) -> ()', _list_kernels, plain=plain_steps.settle)
define('gather(Tensor source, Tensor table, Tensor index) -> Tensor', _list_kernels,
       plain=plain_steps.gather, shape=_shape_of_gathered)
define('relu_store(Tensor(a!) values, Tensor? bias, Tensor(b!) rows, Tensor index) -> ()',
       _list_kernels, plain=plain_steps.relu_store)
define('predict(Tensor(a!) values, Tensor? bias, Tensor matrices, Tensor offsets, '
       'Tensor(b!) rows, Tensor index) -> ()', _list_kernels, plain=plain_steps.predict)


def operators_of(calls: Any) -> Operators:
    """Return the steps made of the operators that are attributes of ``calls``."""
    def residual_norm(
        values: torch.Tensor, update: torch.Tensor | None, update_bias: torch.Tensor | None,
        norm: Norm, dtype: torch.dtype,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        # an operator of its own, because none may return its input
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

    # an operator of the library takes no Norm, so those that need one are wrapped
    wrapped: dict[str, Any] = {
        'residual_norm': residual_norm, 'take': take, 'norm_store': norm_store}
    return Operators(**{name: wrapped.get(name) or getattr(calls, name)
                        for name in (field.name for field in fields(Operators))})


PLAIN = Operators(
    plain_steps.residual_norm, plain_steps.rotate_and_store, plain_steps.bias_gelu,
    plain_steps.gather, plain_steps.relu_store, plain_steps.predict, plain_steps.enter,
    plain_steps.take, plain_steps.norm_store, plain_steps.take_patches, change.take_image,
    change.score, plain_steps.mark, plain_steps.spread, plain_steps.entries,
    noise_learning.energies, noise_learning.adapt, plain_steps.settle)
"""Several launches each; they run on any device and in any export."""

FUSED = operators_of(torch.ops.mtshare)
"""One launch each on CUDA, with Triton; on the CPU they run the plain steps."""
