"""Kernels are used where they run, and give what their plain twins give."""

from dataclasses import dataclass, fields, replace
from functools import partial
from importlib.util import find_spec
from typing import Any, Callable

import torch

from mtshare_ros.sharing.static.operators import FUSED, Operators, PLAIN
from mtshare_ros.sharing.static.samples import Samples

_STEPS_APART = 8.0
"""Roundings of an arithmetic by which a kernel may differ from its twin."""


@dataclass(frozen=True)
class Chosen:
    """Operators for a device, and what the user should be told about how they were chosen."""

    operators: Operators
    notices: tuple[str, ...] = ()


def choose(
    device: torch.device, dtype: torch.dtype, *, width: int = 192, heads: int = 3
) -> Chosen:
    """
    Return the operators for a device, tried on rows of ``width`` D and ``heads``.

    A kernel that fails there, or gives something else than its plain twin, is left out.
    """
    if device.type == 'cpu':
        return Chosen(PLAIN)
    if not has_triton():
        return Chosen(PLAIN, (NO_TRITON,))
    samples = Samples(device, dtype, width, heads)
    plain, notices = {}, []
    for name in (field.name for field in fields(Operators)):
        fault = fault_of(
            partial(samples.run, name), getattr(FUSED, name), getattr(PLAIN, name))
        if fault:
            plain[name] = getattr(PLAIN, name)
            notices.append(left_out(name, device, fault))
    return Chosen(replace(FUSED, **plain), tuple(notices))


NO_TRITON = ('Triton is not installed: steps that one kernel can do take several launches, which '
             'costs a little time')


def has_triton() -> bool:
    """Tell whether the compiler of kernels is installed."""
    return find_spec('triton') is not None


def left_out(name: str, device: torch.device, fault: str) -> str:
    """Return the notice of a kernel that is not used."""
    return f'the kernel {name} is not used on {device}: {fault}; several launches do its work'


def fault_of(
    sample: Callable[[Callable[..., Any]], tuple[torch.Tensor, ...]],
    kernel: Callable[..., Any], plain: Callable[..., Any],
) -> str:
    """
    Return why a kernel cannot stand for its twin; empty where it can.

    ``sample`` runs an operator on small data and returns what it gave, and what it overwrote, as
    numbers whose roundings are those that may differ.
    """
    try:
        found = sample(kernel)
    except Exception as error:  # a compiler, linker, driver or launch may fail in any way
        first_line = str(error).strip().partition('\n')[0]
        return f'{type(error).__name__}: {first_line}'
    steps = max(_steps_apart(ours, twin) for ours, twin in zip(found, sample(plain)))
    if steps <= _STEPS_APART:
        return ''
    return f'it differs from its plain form by {steps:.3g} roundings; {_STEPS_APART:g} are allowed'


def _steps_apart(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Return the largest difference in roundings of the largest value; NaN must be NaN."""
    rounding = torch.finfo(expected.dtype).eps
    found, expected = found.double().cpu(), expected.double().cpu()
    equal = (found == expected) | (found.isnan() & expected.isnan())
    step = rounding * float(expected.nan_to_num().abs().amax())
    steps = ((found - expected).abs() / step).masked_fill(equal, 0.0)
    return float(steps.nan_to_num(nan=torch.inf).amax())
