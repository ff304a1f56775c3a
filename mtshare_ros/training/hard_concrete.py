"""
Hard-concrete gates: random switches with a gradient, most of them shut in the end.

Louizos, Welling, Kingma, "Learning sparse neural networks through L0 regularization", ICLR 2018;
the stretch to (-1.5, 1.5) and the two levels are those of the method this package follows.
"""

import torch
from torch import nn

STRETCH = 1.5
"""Gates are drawn in (-STRETCH, STRETCH) and clipped to 0..1; so a gate is shut at alpha <= 0."""

_EDGE = 1e-4
_ALWAYS_OPEN = 5.0


class HardConcrete(nn.Module):
    """
    Gates of any shape, and one more that opens or shuts all of them.

    ``draw`` makes the chance of one step, ``values`` the gates: random where something was drawn
    and the module trains, else deterministic.
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
        """Return the gates without chance."""
        return _clip(self.log_alpha) * _clip(self.log_alpha_all)

    def is_open(self) -> torch.Tensor:
        """Return which gates are open without chance."""
        return (self.log_alpha > 0) & (self.log_alpha_all > 0)

    def expected_count(self) -> torch.Tensor:
        """Return the expected number of open gates, E[L0] = sum of sigmoid(alpha)."""
        return (self.log_alpha.sigmoid() * self.log_alpha_all.sigmoid()).sum()


def _clip(logits: torch.Tensor) -> torch.Tensor:
    return (2 * STRETCH * logits.sigmoid() - STRETCH).clamp(0, 1)
