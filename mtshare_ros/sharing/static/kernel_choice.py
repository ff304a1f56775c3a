"""Which kernels a device uses: those that run and give what their plain twins give."""

from dataclasses import dataclass, fields, replace
from functools import partial
from importlib.util import find_spec
from typing import Any, Callable, Sequence

import torch

from mtshare_ros.sharing.change import NoiseEstimator
from mtshare_ros.sharing.noise_statistics import Energies, energies, Pooling, quantile_places
from mtshare_ros.sharing.static.fixed_lists import MaskRow
from mtshare_ros.sharing.static.operators import FUSED, Operators, PLAIN
from mtshare_ros.sharing.static.plain_steps import Norm
from mtshare_ros.sharing.static.static_stem import transmitted_table


class Samples:
    """Small inputs of every operator, for four encoders; no size is a multiple of a block's."""

    def __init__(self, device: torch.device, dtype: torch.dtype, width: int, heads: int) -> None:
        self._device, self._dtype, self._width, self._heads = device, dtype, width, heads
        self._index = torch.tensor([1, 2, 4, 5, 8, 10, 10], device=device)

    def run(self, name: str, operator: Callable[..., Any]) -> tuple[torch.Tensor, ...]:
        """Return what an operator returns and overwrites, as numbers whose rounding may differ."""
        return getattr(self, f'_{name}')(operator)

    def _residual_norm(
        self, operator: Callable[..., tuple[torch.Tensor, torch.Tensor]]
    ) -> tuple[torch.Tensor, ...]:
        draw = self._drawer()
        values, update, bias = (draw(*shape, self._width) for shape in ((1, 7), (4, 7), (4, 1)))
        norm = Norm(draw(4, 1, self._width), draw(4, 1, self._width), 1e-6)
        first = operator(values, None, None, norm, self._dtype)
        return first[1], *operator(
            values, update.to(self._dtype), bias.to(self._dtype), norm, self._dtype)

    def _rotate_and_store(
        self, operator: Callable[..., torch.Tensor]
    ) -> tuple[torch.Tensor, ...]:
        draw = self._drawer()
        qkv, bias, rotation, cache = (value.to(self._dtype) for value in (
            draw(4, 7, 3 * self._width), draw(4, 1, 3 * self._width),
            draw(7, 2, self._width // self._heads), draw(4, 11, 2 * self._width)))
        # the index ends with a repetition: of two different writes, either might stay
        qkv[:, -1], rotation[-1] = qkv[:, -2], rotation[-2]
        return operator(qkv, bias, rotation, cache, self._index, self._heads), cache

    def _bias_gelu(self, operator: Callable[..., torch.Tensor]) -> tuple[torch.Tensor, ...]:
        draw = self._drawer()
        rows, bias = draw(4, 7, 4 * self._width), draw(4, 1, 4 * self._width)
        return (operator(rows.to(self._dtype), bias.to(self._dtype)),)

    def _gather(self, operator: Callable[..., torch.Tensor]) -> tuple[torch.Tensor, ...]:
        draw = self._drawer()
        source, table = draw(4, 13, 37).to(self._dtype), torch.arange(33, device=self._device)
        return (operator(source, (table % 13).int().view(11, 3), self._index),)

    def _relu_store(self, operator: Callable[..., None]) -> tuple[torch.Tensor, ...]:
        values, bias, rows, index = self._stored(37)
        rows = rows.to(self._dtype)
        operator(values, bias, rows, index)
        return (rows,)

    def _predict(self, operator: Callable[..., None]) -> tuple[torch.Tensor, ...]:
        draw = self._drawer()
        values, bias, rows, index = self._stored(48)
        operator(values, bias, draw(4, 48, 37), draw(4, 1, 37), rows, index)
        return (rows,)

    def _enter(
        self, operator: Callable[..., tuple[torch.Tensor, torch.Tensor]]
    ) -> tuple[torch.Tensor, ...]:
        draw = self._drawer()
        tokens, position, reference = (draw(count, self._width) for count in (7, 11, 11))
        values, scores = operator(
            tokens.to(self._dtype), position, self._index, reference, self._index == 4)
        # next to the score of forced tokens the rounding of the others would not count
        order = scores.argsort(descending=True, stable=True)
        return values, scores[order][1:], order.to(self._dtype)

    def _take(
        self, operator: Callable[..., tuple[torch.Tensor, torch.Tensor, torch.Tensor]]
    ) -> tuple[torch.Tensor, ...]:
        draw = self._drawer()
        values, reference, prefix = (draw(count, self._width) for count in (7, 11, 2))
        norm = Norm(draw(4, 1, self._width), draw(4, 1, self._width), 1e-6)
        places, after = (torch.tensor(items, device=self._device)
                         for items in ((5, 1, 4), (11, 12)))
        index, rows, normed = operator(
            values, self._index, places, reference, prefix, after, norm, self._dtype)
        return index.float(), rows, normed, reference

    def _norm_store(self, operator: Callable[..., None]) -> tuple[torch.Tensor, ...]:
        draw = self._drawer()
        values, buffer = draw(1, 7, self._width), draw(4, 11, 2 * self._width).to(self._dtype)
        # two entries of the index are equal: of two different writes, either might stay
        values[:, -1] = values[:, -2]
        norm = Norm(draw(4, 1, self._width), draw(4, 1, self._width), 1e-6)
        operator(values, norm, buffer[..., self._width:], self._index)
        return (buffer,)

    def _take_patches(self, operator: Callable[..., None]) -> tuple[torch.Tensor, ...]:
        draw = self._drawer()
        grid, side, block = (2, 3), 2, 2
        table = transmitted_table(grid, side, block).to(self._device)
        pixels = torch.arange(8 * 12 * 3, device=self._device) * 7 % 256
        shift, reference, unit = (
            value.to(self._dtype) for value in (draw(12), draw(25, 12), draw(1)))
        patches = torch.tensor([0, 2, 4, 4], device=self._device)
        operator(pixels.to(torch.uint8).view(8, 12, 3), patches, table, shift, unit, reference,
                 side, block)
        return (reference,)

    def _take_image(self, operator: Callable[..., None]) -> tuple[torch.Tensor, ...]:
        pooling, (current, past) = Pooling.of(14), self._drawer()(2, 6, 48)
        image = self._whole_numbers(256, 1, 3, 28, 42).to(torch.uint8)
        operator(image, current, past, pooling.lines(self._device), pooling.matrix(self._device),
                 2, 3)
        return current, past

    def _settle(self, operator: Callable[..., None]) -> tuple[torch.Tensor, ...]:
        draw, ages = self._drawer(), self._whole_numbers(9, 300).int()
        current, reference = draw(300, 48), draw(300, 48)
        oldest = torch.zeros((), dtype=torch.int32, device=self._device)
        operator(self._whole_numbers(300, 37), current, reference, draw(300) > 1, ages, oldest)
        return reference, ages.float(), oldest.float()

    def _score(self, operator: Callable[..., torch.Tensor]) -> tuple[torch.Tensor, ...]:
        draw = self._drawer()
        current, reference = (60 * draw(37, 48) for _ in range(2))
        reference[::2] = current[::2] + draw(19, 48)
        estimator = NoiseEstimator(self._device, Pooling.of(16))
        return (operator(current + 128, reference + 128, estimator.rise, 1.0 + 0.1 * draw(8), None,
                         1.6),)

    def _energies(self, operator: Callable[..., Energies]) -> tuple[torch.Tensor, ...]:
        ratio, energy, weights = self._learnt(operator)
        return ratio, *energy, weights

    def _adapt(self, operator: Callable[..., None]) -> tuple[torch.Tensor, ...]:
        ratio, energy, weights = self._learnt(energies)
        log_variance, steps = 1.0 + 0.1 * self._drawer()(8), torch.ones((), device=self._device)
        estimator = NoiseEstimator(self._device, Pooling.of(16))
        operator(ratio.clone(), energy, ratio.sort().values, energy.sort(dim=1).values[:, 9],
                 weights, quantile_places(37, self._device), estimator.most, log_variance, steps,
                 4.0)
        return log_variance, steps

    def _learnt(self, operator: Callable[..., Energies]) -> Energies:
        draw, estimator = self._drawer(), NoiseEstimator(self._device, Pooling.of(16))
        current = 128 + 60 * draw(37, 48)
        return operator(current, current + draw(2, 37, 48), estimator.rise, 1.0 + 0.1 * draw(8),
                        estimator.matrices, estimator.scale)

    def _mark(self, operator: Callable[..., torch.Tensor]) -> tuple[torch.Tensor, ...]:
        due, forced = (torch.zeros(300, dtype=torch.bool, device=self._device) for _ in range(2))
        ages, around = self._whole_numbers(9, 300).int(), self._whole_numbers(300, 300, 9).int()
        controls = torch.tensor([2.0, 3.0, 8.0, 0.0, 0.0, 1.0], device=self._device)
        marks = operator(self._drawer()(300).abs_(), self._whole_numbers(30, 300), ages, controls,
                         around, due, forced)
        return marks.float(), due.float(), forced.float()

    def _spread(self, operator: Callable[..., torch.Tensor]) -> tuple[torch.Tensor, ...]:
        marks = self._drawer()(4, 300) > 1.5
        return (operator(marks, self._whole_numbers(300, 2000, 4).int()).float(),)

    def _entries(self, operator: Callable[..., torch.Tensor]) -> tuple[torch.Tensor, ...]:
        marks = self._whole_numbers(2, 401).int()
        marks[0] = 0
        row = MaskRow({'first': 100, 'second': 300}, self._device)
        table = row.table([('first', 90), ('second', 70)])
        found = row.lists(marks.cumsum(0, dtype=torch.int32), table, operator)
        return tuple(item.float() for item in found)

    def _whole_numbers(self, below: int, *shape: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(1)
        return torch.randint(below, shape, generator=generator).to(self._device)

    def _stored(self, width: int) -> tuple[torch.Tensor, ...]:
        """Return values and their bias, a map, and the rows of it that are overwritten."""
        draw = self._drawer()
        values, bias, rows = draw(4, 6, width).to(self._dtype), draw(4, 3, width), draw(4, 11, 37)
        # both go to row 8: of two different writes, either might stay
        values[:, -1] = values[:, -4]
        return values, bias, rows, torch.tensor([1, 2, 8, 5, 4, 8], device=self._device)

    def _drawer(self) -> Callable[..., torch.Tensor]:
        # on the CPU, so that kernel and twin get the same numbers and no others change
        generator = torch.Generator().manual_seed(0)
        return lambda *shape: torch.randn(shape, generator=generator).to(self._device)


DIFFERS = 'the kernel differs from the operators'

_STEPS_APART = 8.0
"""Roundings by which a kernel may differ from its twin."""


@dataclass(frozen=True)
class Chosen:
    """Operators for a device, and what the user should be told about how they were chosen."""

    operators: Operators
    notices: tuple[str, ...] = ()


def choose(
    device: torch.device, dtype: torch.dtype, *, width: int = 192, heads: int = 3
) -> Chosen:
    """
    Return the operators for a device, tried on tokens of ``width`` D and ``heads``.

    A kernel that fails there, or gives something else than its plain twin, is not used.
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
    """Tell whether Triton, which compiles the kernels, is installed."""
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
    Return why a kernel cannot replace its plain twin; empty where it can.

    ``sample`` runs an operator on small inputs and returns its results, and what it overwrote, as
    numbers whose rounding may differ.
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
    """Return the largest difference in roundings of the largest value; NaN must meet NaN."""
    rounding = torch.finfo(expected.dtype).eps
    found, expected = found.double().cpu(), expected.double().cpu()
    equal = (found == expected) | (found.isnan() & expected.isnan())
    step = rounding * float(expected.nan_to_num().abs().amax())
    steps = ((found - expected).abs() / step).masked_fill(equal, 0.0)
    return float(steps.nan_to_num(nan=torch.inf).amax())
