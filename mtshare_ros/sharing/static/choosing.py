"""Kernels are used where they run, and give what their plain twins give."""

from dataclasses import dataclass, fields, replace
from functools import partial
from importlib.util import find_spec
from typing import Any, Callable, Sequence

import torch

from mtshare_ros.sharing.static.operators import FUSED, Operators, PLAIN
from mtshare_ros.sharing.static.samples import Samples

DIFFERS = 'the kernel differs from the operators'

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
    left: dict[str, list[str]] = {}
    for name in (field.name for field in fields(Operators)):
        fault = fault_of(
            partial(samples.run, name), getattr(FUSED, name), getattr(PLAIN, name))
        if fault:
            left.setdefault(fault, []).append(name)
    plain = {name: getattr(PLAIN, name) for names in left.values() for name in names}
    return Chosen(replace(FUSED, **plain),
                  tuple(left_out(names, device, fault) for fault, names in left.items()))


NO_TRITON = ('Triton is not installed: steps that one kernel can do take several launches, which '
             'costs a little time')


def has_triton() -> bool:
    """Tell whether the compiler of kernels is installed."""
    return find_spec('triton') is not None


def left_out(names: Sequence[str], device: torch.device, fault: str) -> str:
    """Return the notice of steps whose kernels are not used, all for the same reason."""
    return (f'without a kernel on {device}: {", ".join(names)}, because {fault}; operators of '
            'PyTorch do the work in more launches')


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
    return f'{DIFFERS} by {steps:.3g} roundings ({_STEPS_APART:g} are allowed)'


def _steps_apart(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Return the largest difference in roundings of the largest value; NaN must be NaN."""
    rounding = torch.finfo(expected.dtype).eps
    found, expected = found.double().cpu(), expected.double().cpu()
    equal = (found == expected) | (found.isnan() & expected.isnan())
    step = rounding * float(expected.nan_to_num().abs().amax())
    steps = ((found - expected).abs() / step).masked_fill(equal, 0.0)
    return float(steps.nan_to_num(nan=torch.inf).amax())
