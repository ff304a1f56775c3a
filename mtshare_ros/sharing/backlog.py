"""Patches that changed while somebody who needs them was not computed."""

import torch


class StaleTokens:
    """
    For each of K consumers (encoders or heads) the patches (N,) it has still to catch up with.

    A consumer that was left out for more than ``max_age`` frames, or that never ran, is cold: it
    must compute all patches.
    """

    def __init__(self, consumers: int, patch_count: int, device: torch.device) -> None:
        self._pending = torch.zeros(consumers, patch_count, dtype=torch.bool, device=device)
        self._away: list[int | None] = [None] * consumers

    @property
    def nbytes(self) -> int:
        """Bytes of the masks."""
        return self._pending.numel()

    def is_cold(self, consumer: int) -> bool:
        """Tell whether a consumer has nothing to build on."""
        return self._away[consumer] is None

    def is_behind(self, consumer: int) -> bool:
        """Tell whether a consumer missed frames."""
        return bool(self._away[consumer])

    def defer(self, consumer: int, changed: torch.Tensor, max_age: int) -> None:
        """Note the patches (N,) bool that changed in a frame which a consumer misses."""
        away = self._away[consumer]
        if away is None:
            return
        self._away[consumer] = away + 1 if away < max_age else None
        self._pending[consumer] |= changed

    def catch_up(self, consumer: int, changed: torch.Tensor) -> torch.Tensor:
        """Return the patches (N,) bool of this frame and of the missed ones."""
        if self.is_behind(consumer):
            changed = changed | self._pending[consumer]
            self.complete(consumer)
        return changed

    def complete(self, consumer: int) -> None:
        """Note that a consumer is up to date."""
        self._pending[consumer] = False
        self._away[consumer] = 0

    def freeze(self, consumer: int) -> None:
        """Note that all patches changed while a consumer was left out."""
        self._away[consumer] = None

    def freeze_all(self) -> None:
        """Make every consumer one that never ran."""
        self._away = [None] * len(self._away)
