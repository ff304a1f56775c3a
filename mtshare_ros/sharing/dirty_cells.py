"""The patches that heads have to decode, and what heads work out from them."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Hashable, Protocol

import torch

from mtshare_ros.sharing.stem import StemState


class PatchGeometry(Hashable, Protocol):
    """How far a head reaches; heads that are alike have equal ones."""

    def plan(self, stem: StemState, patches: torch.Tensor) -> Any:
        """Return what such heads compute for patches (n,)."""


@dataclass(frozen=True)
class ChangedPatches:
    """The patches whose tokens or pixels changed: a mask (N,) bool, None for all."""

    stem: StemState
    mask: torch.Tensor | None = None
    _plans: dict[PatchGeometry, Any] = field(default_factory=dict, init=False, compare=False)

    @cached_property
    def index(self) -> torch.Tensor:
        """The same patches as a list (n,)."""
        if self.mask is not None:
            return self.mask.nonzero()[:, 0]
        rows, columns = self.stem.grid
        return torch.arange(rows * columns, device=self.stem.device)

    @property
    def whole(self) -> bool:
        """Whether they are all that there are."""
        return self.mask is None or self.index.shape[0] == self.mask.shape[0]

    def equals(self, other: 'ChangedPatches') -> bool:
        """Tell whether the patches of the same camera are the same."""
        if self.mask is None or other.mask is None:
            return self.mask is other.mask
        return torch.equal(self.mask, other.mask)

    def plan(self, geometry: PatchGeometry) -> Any:
        """Return what heads of a geometry compute, found once for all that have the same."""
        if geometry not in self._plans:
            self._plans[geometry] = geometry.plan(self.stem, self.index)
        return self._plans[geometry]
