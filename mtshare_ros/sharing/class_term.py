"""
What class tokens add to the patches of a head, kept while it hardly moves.

The same is added to every patch, so when it differs every patch of the output does. It is replaced
where all patches are computed anyway, or where it moved by more than the limit of the temporal
rule, relative to the spread of what it is added to; with a limit of 0 by anything at all. A head
that makes little of its class token thus keeps it long, however the token itself may move.
"""

from dataclasses import dataclass
from typing import Sequence

import torch

from mtshare_ros.sharing.memory import tensor_bytes
from mtshare_ros.sharing.rules import distance, passes


@dataclass(frozen=True)
class ClassTerms:
    """
    The terms (n, C) float32 that a head adds, one for each place where it adds one.

    ``spread`` (n,) is that of what they are added to, as of the last time all patches were
    computed.
    """

    used: torch.Tensor
    spread: torch.Tensor

    @classmethod
    def allocate(cls, count: int, width: int, device: torch.device) -> 'ClassTerms':
        """Return empty buffers."""
        return cls(torch.zeros(count, width, device=device), torch.ones(count, device=device))

    @property
    def nbytes(self) -> int:
        """Bytes of the buffers."""
        return tensor_bytes(self.used, self.spread)

    def start(self, terms: torch.Tensor, spread: torch.Tensor) -> None:
        """Take new terms in where all patches are computed."""
        self.used.copy_(terms)
        self.spread.copy_(spread)

    def renew(self, terms: torch.Tensor, thresholds: Sequence[float]) -> bool:
        """Use new terms where one moved by more than its threshold; tell whether one did."""
        bound = torch.tensor(thresholds, device=terms.device) * self.spread
        if not bool(passes(distance(terms, self.used), bound, None).any()):
            return False
        self.used.copy_(terms)
        return True
