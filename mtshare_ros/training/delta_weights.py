"""Sparse delta weights in training: W_s = W_b + gate * delta, with W_b frozen."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrize

from mtshare_ros.model.backbone import Block
from mtshare_ros.model.network import build_model, MultiTaskNetwork
from mtshare_ros.training.stage_config import DeltaConfig

STRETCH = 1.5
"""Gates are drawn in (-STRETCH, STRETCH) and clipped to 0..1, so one is closed at alpha <= 0."""

# random numbers keep this distance from 0 and 1, whose logits are infinite
_EDGE = 1e-4
# sigmoid(5), stretched, is beyond 1: the gate for all begins open
_ALWAYS_OPEN = 5.0

TILE = 16
"""Side of the blocks of weights that share a gate with granularity ``block``."""

# more than a stage has steps, so that no two seeds share the numbers of a step
_STEPS_APART = 1_000_003


class HardConcrete(nn.Module):
    """
    Hard-concrete gates of any shape, and one more gate that multiplies all of them.

    They are random switches with a gradient, most of them closed in the end (Louizos, Welling,
    Kingma, "Learning sparse neural networks through L0 regularization", ICLR 2018; the stretch to
    (-1.5, 1.5) and the two levels are those of the method that this package implements). ``draw``
    draws the random numbers of one step; ``values`` are random while the module trains and numbers
    were drawn, else deterministic.
    """

    def __init__(self, shape: tuple[int, ...], log_alpha: float) -> None:
        super().__init__()
        self.log_alpha = nn.Parameter(torch.full(shape, log_alpha))
        self.log_alpha_all = nn.Parameter(torch.tensor(_ALWAYS_OPEN))
        self._uniform: torch.Tensor | None = None

    def draw(self, generator: torch.Generator) -> None:
        """Draw on the CPU, so that a seed means the same gates on every device and process."""
        self._uniform = torch.rand(self.log_alpha.numel() + 1, generator=generator)

    def values(self) -> torch.Tensor:
        """Return the gates, 0 to 1."""
        if not self.training or self._uniform is None:
            return self.settled()
        uniform = self._uniform.to(self.log_alpha).clamp(_EDGE, 1 - _EDGE)
        noise = uniform.log() - (1 - uniform).log()
        own = _clip(self.log_alpha + noise[1:].view_as(self.log_alpha))
        return own * _clip(self.log_alpha_all + noise[0])

    def settled(self) -> torch.Tensor:
        """Return the gates without randomness."""
        return _clip(self.log_alpha) * _clip(self.log_alpha_all)

    def is_open(self) -> torch.Tensor:
        """Return which gates are open, without randomness."""
        return (self.log_alpha > 0) & (self.log_alpha_all > 0)

    def expected_count(self) -> torch.Tensor:
        """Return the expected number of open gates, E[L0] = sum of sigmoid(alpha)."""
        return (self.log_alpha.sigmoid() * self.log_alpha_all.sigmoid()).sum()


def _clip(logits: torch.Tensor) -> torch.Tensor:
    return (2 * STRETCH * logits.sigmoid() - STRETCH).clamp(0, 1)


class GatedDelta(nn.Module):
    """The parametrization of a weight or bias whose delta is gated."""

    def __init__(self, base: torch.Tensor, gate: HardConcrete, tile: int) -> None:
        super().__init__()
        self.register_buffer('base', base.detach().clone())
        self.gate = gate
        self._tile = tile

    def forward(self, delta: torch.Tensor) -> torch.Tensor:
        """Return the sub-task's weight for its delta, of one shape."""
        return self.base + self._spread(self.gate.values(), delta) * delta

    def right_inverse(self, weight: torch.Tensor) -> torch.Tensor:
        """Return the delta of a weight."""
        return weight - self.base

    def _spread(self, gates: torch.Tensor, delta: torch.Tensor) -> torch.Tensor:
        """Expand gates of tiles or rows to the shape of the weights that they switch."""
        if self._tile > 1:
            for axis in range(delta.ndim):
                # the last tiles may reach beyond the matrix
                gates = gates.repeat_interleave(self._tile, axis).narrow(axis, 0,
                                                                        delta.shape[axis])
        return gates if gates.ndim == delta.ndim else gates[:, None]


class SupportedDelta(nn.Module):
    """The parametrization of a weight or bias that differs from the base's in fixed places."""

    def __init__(self, base: torch.Tensor, support: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer('base', base.detach().clone())
        self.register_buffer('support', support)

    def forward(self, delta: torch.Tensor) -> torch.Tensor:
        """Return the sub-task's weight for its delta, of one shape."""
        return torch.where(self.support, self.base + delta, self.base)

    def right_inverse(self, weight: torch.Tensor) -> torch.Tensor:
        """Return the delta of a weight."""
        return weight - self.base


@dataclass(frozen=True)
class GatedLayer:
    """A linear layer with gated deltas."""

    gate: HardConcrete
    delta: GatedDelta
    values: nn.Parameter

    @property
    def weights(self) -> int:
        """The number of weights of the layer, without biases."""
        return self.values.numel()

    @property
    def weights_per_gate(self) -> float:
        """The mean number of weights under one gate."""
        return self.weights / self.gate.log_alpha.numel()

    @torch.no_grad()
    def sizes(self) -> torch.Tensor:
        """
        Return for each gate the root mean square delta, relative to the base's weights.

        The delta is multiplied by its gate first, so a closed gate has the size 0.
        """
        square = self.values.square()
        if square.shape != self.gate.log_alpha.shape:
            square = _tile_means(square) if self.gate.log_alpha.ndim > 1 else square.mean(dim=1)
        return (square / self.delta.base.square().mean()).sqrt() * self.gate.settled()

    def kept_weights(self) -> torch.Tensor:
        """Return how many weights are under open gates."""
        return self.gate.is_open().sum() * self.weights_per_gate


class DeltaGates:
    """All gates of one sub-task by block, and the penalty for open ones."""

    def __init__(self, blocks: list[list[GatedLayer]], config: DeltaConfig) -> None:
        self._blocks = blocks
        self._config = config

    def draw(self, seed: int, step: int) -> None:
        """Draw the random numbers of a step, the same in every process."""
        # of a seed, the generator takes 32 bits
        generator = torch.Generator().manual_seed((seed * _STEPS_APART + step) % (1 << 32))
        for layers in self._blocks:
            for layer in layers:
                layer.gate.draw(generator)

    def penalty(self, progress: float) -> torch.Tensor:
        """Return the penalty for open gates after a share ``progress`` (0 to 1) of the steps."""
        if self._config.penalty:
            return self._config.penalty * torch.stack([
                layer.gate.expected_count() * layer.weights_per_gate
                for layers in self._blocks for layer in layers]).sum()
        allowed = self._allowed(progress)
        return torch.stack([_surplus(layers, allowed) for layers in self._blocks]).sum()

    def densities(self) -> list[torch.Tensor]:
        """Return for every block the share of its linear weights that may differ."""
        return [torch.stack([layer.kept_weights() for layer in layers]).sum()
                / sum(layer.weights for layer in layers) for layers in self._blocks]

    def _allowed(self, progress: float) -> float:
        """Return the allowed density: 1 for a third of ``anneal``, then falling to the goal."""
        anneal = self._config.anneal
        done = (3 * progress / anneal - 1) / 2 if anneal else 1.0
        return self._config.density ** min(max(done, 0.0), 1.0)


def _surplus(layers: Sequence[GatedLayer], allowed: float) -> torch.Tensor:
    """
    Return the share of a block's weights under gates beyond the allowed density, as expected.

    Gates with the largest deltas are allowed first. A penalty on all gates alike would close them
    all at the same rate, because the optimiser normalises every gradient; which gates stay open
    would not depend on how useful they are.
    """
    sizes = torch.cat([layer.sizes().flatten() for layer in layers])
    weights = torch.cat([torch.full_like(layer.sizes().flatten(), layer.weights_per_gate)
                         for layer in layers])
    open_share = torch.cat([layer.gate.log_alpha.flatten().sigmoid() for layer in layers])
    order = sizes.argsort(descending=True)
    total = weights.sum()
    beyond = weights[order].cumsum(0) > allowed * total
    return (open_share * weights)[order][beyond].sum() / total


def attach_gates(network: MultiTaskNetwork, task: str, config: DeltaConfig) -> DeltaGates:
    """Parametrize the linear layers of a sub-task's blocks with gated deltas, in place."""
    blocks = [
        [_gate_layer(own, base, config) for own, base in _layer_pairs(pair)]
        for pair in zip(network.own_blocks(task), network.own_blocks(network.base_task))
    ]
    return DeltaGates(blocks, config)


def attach_support(network: MultiTaskNetwork, task: str) -> None:
    """Train only those weights of a sub-task's linear layers that differ from the base's."""
    for pair in zip(network.own_blocks(task), network.own_blocks(network.base_task)):
        for own, base in _layer_pairs(pair):
            for name in ('weight', 'bias'):
                weight, shared = getattr(own, name), getattr(base, name)
                parametrize.register_parametrization(
                    own, name, SupportedDelta(shared, (weight != shared).detach()))


@torch.no_grad()
def merged(network: MultiTaskNetwork) -> MultiTaskNetwork:
    """
    Return a network in evaluation mode with plain weights: deltas times gates are added.

    ``network`` is in evaluation mode. The result is built anew, because removing a parametrization
    from a copied module also removes it from the original's class.
    """
    plain = build_model(network.config, network.tasks, network.label_count)
    # read as attributes, because the state_dict has deltas and gates in place of the weights
    plain.load_state_dict({name: attrgetter(name)(network) for name in plain.state_dict()})
    return plain.eval()


def _layer_pairs(blocks: tuple[Block, Block]) -> Iterator[tuple[nn.Linear, nn.Linear]]:
    own, base = ([module for module in block.modules() if isinstance(module, nn.Linear)]
                 for block in blocks)
    yield from zip(own, base)


def _tile_means(values: torch.Tensor) -> torch.Tensor:
    """Return the mean of each TILE x TILE block of a matrix, of smaller ones at its borders."""
    return functional.avg_pool2d(values[None, None], TILE, ceil_mode=True)[0, 0]


def _gate_layer(own: nn.Linear, base: nn.Linear, config: DeltaConfig) -> GatedLayer:
    """Gate a layer; a bias has its row's gate, or one gate for each element."""
    outputs, inputs = own.weight.shape
    shape, tile = {
        'row': ((outputs,), 1), 'element': ((outputs, inputs), 1),
        'block': ((-(-outputs // TILE), -(-inputs // TILE)), TILE),
    }[config.granularity]
    gate = HardConcrete(shape, config.initial_log_alpha)
    alone = gate if config.granularity == 'row' else HardConcrete(
        (outputs,), config.initial_log_alpha)
    delta = GatedDelta(base.weight, gate, tile)
    parametrize.register_parametrization(own, 'weight', delta)
    parametrize.register_parametrization(own, 'bias', GatedDelta(base.bias, alone, 1))
    return GatedLayer(gate, delta, own.parametrizations.weight.original)
