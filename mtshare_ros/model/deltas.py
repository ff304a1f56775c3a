"""Delta weights: what a sub-task's own blocks add to those of the base task."""

import copy
from dataclasses import dataclass, replace
from typing import Iterator

import torch
from torch import nn

from mtshare_ros.config import require
from mtshare_ros.errors import ConfigError
from mtshare_ros.model.backbone import Block
from mtshare_ros.model.network import Branch, MultiTaskNetwork

GRANULARITIES = ('row', 'element')


@dataclass(frozen=True)
class DeltaDensity:
    """Shares of a block's linear weights that differ from the base task's, 0 to 1."""

    elements: float
    rows: float
    """Output rows with any difference."""


def branch_out(network: MultiTaskNetwork, prefix: int) -> MultiTaskNetwork:
    """
    Return a copy that shares the first ``prefix`` blocks only, and computes the same function.

    Every sub-task gets its own copy of the blocks above. Raises ConfigError where ``prefix`` is
    not within 0 to the network's own prefix: separate weights cannot be shared again.
    """
    shared = network.config.shared_depth
    require(0 <= prefix <= shared, 'prefix', prefix,
            f'0 to {shared}, the number of blocks the network shares')
    branched = copy.deepcopy(network)
    if prefix == shared:
        return branched
    branched.config = replace(network.config, shared_blocks=prefix)
    middle = list(branched.blocks)[prefix:shared]
    branched.branches = nn.ModuleDict({
        task: Branch(copy.deepcopy([*middle, *network.own_blocks(task)]),
                     copy.deepcopy(network.final_norm(task)))
        for task in network.tasks[1:]
    })
    return branched.train(network.training)


def add_random_deltas(
    network: MultiTaskNetwork, *, density: float, granularity: str = 'row', scale: float = 0.1,
    seed: int = 0,
) -> None:
    """
    Add normal noise to a share ``density`` of the linear weights of every branch, in place.

    Stands in for trained delta weights where only cost or correctness matter. ``granularity``:
    ``row`` changes whole output rows, ``element`` single weights anywhere. The noise has
    ``scale`` times the standard deviation of the weight it is added to. Biases and norms stay.
    Raises ConfigError for a network without branches and for values out of range.
    """
    require(0 <= density <= 1, 'density', density, '0 to 1')
    require(granularity in GRANULARITIES, 'granularity', granularity,
            f'one of {", ".join(GRANULARITIES)}')
    if not network.branches:
        raise ConfigError(
            f'the network shares all {network.config.depth} blocks and has no weights of '
            'sub-tasks to change; call branch_out first')
    generator = torch.Generator().manual_seed(seed)
    for task in network.branches:
        for block in network.own_blocks(task):
            for layer in _linear_layers(block):
                _disturb(layer.weight, density, granularity == 'row', scale, generator)


def delta_density(network: MultiTaskNetwork, task: str) -> tuple[DeltaDensity, ...]:
    """Measure the delta weights of a task, block by block above the prefix; the base's are 0."""
    return tuple(
        _block_density(own, base) for own, base in
        zip(network.own_blocks(task), network.own_blocks(network.base_task)))


def delta_share_of_encoder(network: MultiTaskNetwork, task: str) -> float:
    """
    Return the share of a task's encoder weights that differ from the base task's, 0 to 1.

    Its encoder is all blocks, the shared ones too, and the norm after them, biases and norms
    counted; the stem belongs to no task. 0 for the base task and where every block is shared.
    """
    weights = dict(network.named_parameters())
    changed = sum(
        int((weights[own] != weights[base]).sum()) for own, base in network.counterparts().items()
        if own.startswith(f'branches.{task}.'))
    return changed / sum(value.numel() for name, value in weights.items()
                         if name.startswith(('blocks.', 'norm.')))


def _disturb(
    weight: nn.Parameter, density: float, rows: bool, scale: float, generator: torch.Generator
) -> None:
    """Draw on the CPU, so that a seed means the same weights on every device."""
    units = weight.shape[0] if rows else weight.numel()
    chosen = torch.randperm(units, generator=generator)[:round(density * units)]
    mask = torch.zeros(units)
    mask[chosen] = 1.0
    mask = mask[:, None] if rows else mask.view(weight.shape)
    delta = mask * torch.randn(weight.shape, generator=generator)
    with torch.no_grad():
        weight += (delta * scale * weight.std().cpu()).to(weight)


def _block_density(own: Block, base: Block) -> DeltaDensity:
    changed = [ours.weight != theirs.weight
               for ours, theirs in zip(_linear_layers(own), _linear_layers(base))]
    elements = sum(int(mask.sum()) for mask in changed)
    rows = sum(int(mask.any(dim=1).sum()) for mask in changed)
    return DeltaDensity(elements / sum(mask.numel() for mask in changed),
                        rows / sum(mask.shape[0] for mask in changed))


def _linear_layers(block: Block) -> Iterator[nn.Linear]:
    return (module for module in block.modules() if isinstance(module, nn.Linear))
