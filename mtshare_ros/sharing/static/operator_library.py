"""How a step that one kernel can do becomes an operator of PyTorch."""

from typing import Any, Callable

import torch

NAMESPACE = 'mtshare'

LIBRARY = torch.library.Library(NAMESPACE, 'DEF')
"""Holds the operators, which are gone without it."""

KERNELS: dict[str, Callable[..., Any]] = {}
"""What CUDA runs, by operator."""


def define(
    schema: str, *, plain: Callable[..., Any], kernel: Callable[..., Any],
    shape: Callable[..., Any],
) -> None:
    """
    Add an operator with a schema as ``torch.library.Library.define`` takes it.

    It is ``plain`` on the CPU, ``kernel`` on CUDA and ``shape`` where tensors have no data.
    """
    name = schema.partition('(')[0]
    KERNELS[name] = _on_its_device(kernel)
    LIBRARY.define(schema)
    for key, function in (('CPU', plain), ('CUDA', KERNELS[name]), ('Meta', shape)):
        LIBRARY.impl(name, function, key)


def _on_its_device(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """Return a kernel that runs where its first tensor is: Triton takes the current device."""
    def launch(first: torch.Tensor, *others: Any) -> Any:
        with torch.cuda.device_of(first):
            return kernel(first, *others)
    return launch
