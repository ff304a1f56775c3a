"""The optimiser: learning rates and decays of the weights, their average, and the precision."""

from collections import defaultdict
from collections.abc import Iterator
import copy
from dataclasses import dataclass
import math

import torch
from torch import nn

from mtshare_ros.model.network import MultiTaskNetwork
from mtshare_ros.training.delta_weights import GatedDelta, HardConcrete, SupportedDelta
from mtshare_ros.training.stage_config import OptimizerConfig, StagePlan

_BETAS = (0.9, 0.98)

_POLYNOMIAL_POWER = 0.9


class AveragedNetwork:
    """
    The exponential moving average of a network's weights, which is evaluated and shipped.

    The decay grows with the number of updates, so that the random start is forgotten quickly.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self._decay = decay

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Move towards the network after optimiser step ``step`` (from 0)."""
        decay = min(self._decay, (2 + step) / (11 + step))
        for own, value in zip(_tensors(self.network), _tensors(network)):
            if value.is_floating_point():
                own.lerp_(value, 1 - decay)
            else:
                # the counters of batch norms are whole numbers
                own.copy_(value)


def _tensors(network: nn.Module) -> Iterator[torch.Tensor]:
    """Yield every tensor once; the state_dict names a gate twice, for its weight and its bias."""
    yield from network.parameters()
    yield from network.buffers()


def build_optimizer(network: MultiTaskNetwork, plan: StagePlan) -> torch.optim.AdamW:
    """
    Return AdamW over the weights that train, grouped by learning rate and decay.

    Matrices decay; vectors do not, because norms and biases need their size. Deltas decay towards
    the base's weights. Gates do not decay, and keep their learning rate to the end, because with
    the schedule the last ones would not close in time.
    """
    groups: dict[_Choice, list[nn.Parameter]] = defaultdict(list)
    for parameter, choice in _choices(network, plan):
        if parameter.requires_grad:
            groups[choice].append(parameter)
    return torch.optim.AdamW(
        [{'params': parameters, 'lr': choice.rate, 'top_rate': choice.rate,
          'scheduled': choice.scheduled, 'weight_decay': choice.decay}
         for choice, parameters in groups.items()], betas=_BETAS)


def set_learning_rate(optimizer: torch.optim.Optimizer, plan: StagePlan, step: int) -> float:
    """Set every group's learning rate for a step; return that of an ordinary weight."""
    factor = rate_factor(plan.optimizer, step, plan.steps)
    for group in optimizer.param_groups:
        group['lr'] = group['top_rate'] * (factor if group['scheduled'] else 1.0)
    return plan.optimizer.learning_rate * factor


def rate_factor(config: OptimizerConfig, step: int, steps: int) -> float:
    """Return 0 to 1 for a step: a linear warm-up, then the schedule down to zero."""
    warmup = min(1.0, (step + 1) / config.warmup_steps) if config.warmup_steps else 1.0
    left = max(0.0, 1 - step / steps)
    if config.schedule == 'polynomial':
        return warmup * left ** _POLYNOMIAL_POWER
    return warmup * (0.5 - 0.5 * math.cos(math.pi * left))


@dataclass(frozen=True)
class _Choice:
    """The highest learning rate of a weight, its decay, and whether the schedule applies."""

    rate: float
    decay: float
    scheduled: bool = True


def _choices(
    network: MultiTaskNetwork, plan: StagePlan
) -> Iterator[tuple[nn.Parameter, _Choice]]:
    """Yield every parameter once with its learning rate and decay."""
    config = plan.optimizer
    # by id, because tensors compare element by element
    gates = {id(parameter) for module in network.modules() if isinstance(module, HardConcrete)
             for parameter in module.parameters()}
    deltas = {id(parameter) for parameter in _deltas(network)}
    for name, parameter in network.named_parameters():
        if id(parameter) in gates:
            yield parameter, _Choice(plan.delta.gate_learning_rate, 0.0, scheduled=False)
            continue
        decay = config.delta_decay if id(parameter) in deltas else config.weight_decay
        rate = config.learning_rate * config.layer_decay ** _blocks_above(name, network)
        yield parameter, _Choice(rate, decay if parameter.ndim > 1 else 0.0)


def _deltas(network: nn.Module) -> Iterator[nn.Parameter]:
    for module in network.modules():
        parametrizations = getattr(module, 'parametrizations', None) or {}
        for chain in parametrizations.values():
            if isinstance(chain[0], (GatedDelta, SupportedDelta)):
                yield chain.original


def _blocks_above(name: str, network: MultiTaskNetwork) -> int:
    """Return the number of blocks between a weight and the heads; the stem counts as one."""
    parts, depth = name.split('.'), network.config.depth
    if parts[0] == 'blocks':
        return depth - int(parts[1])
    if parts[0] == 'branches' and parts[2] == 'blocks':
        return depth - network.config.shared_depth - int(parts[3])
    return depth + 1 if parts[0] in ('stem', 'position') else 0


def dtype_of(precision: str, device: str) -> torch.dtype:
    """Return the dtype of matrix products; ``auto`` is bf16 on CUDA and fp32 on the CPU."""
    short = precision == 'bf16' or precision == 'auto' and device.startswith('cuda')
    return torch.bfloat16 if short else torch.float32
