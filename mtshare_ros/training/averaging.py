"""The exponential moving average of the weights, which is what gets evaluated and shipped."""

from collections.abc import Iterator
import copy

import torch
from torch import nn


class AveragedNetwork:
    """
    A copy of a network that follows it slowly.

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
                own.copy_(value)


def _tensors(network: nn.Module) -> Iterator[torch.Tensor]:
    """Yield every tensor once: a row's gate stands in the state of its weight and its bias."""
    yield from network.parameters()
    yield from network.buffers()
