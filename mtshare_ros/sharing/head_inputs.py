"""What a decode head reads of one camera."""

from dataclasses import dataclass

import torch

from mtshare_ros.sharing.stem import StemState


@dataclass(frozen=True)
class HeadInputs:
    """
    The transformer's rows at every block that a task's head taps, and the features of the stem.

    ``taps`` (N, D) float32 each are those of the patches and ``prefix`` (P, D) float32 each those
    of the class token and the registers, in the order of the head's taps; views that change with
    the next frame.
    """

    taps: tuple[torch.Tensor, ...]
    prefix: tuple[torch.Tensor, ...]
    stem: StemState

    def of_patches(self, patches: torch.Tensor) -> torch.Tensor:
        """Return the rows of patches (n,), those of all taps beside each other: (n, taps x D)."""
        rows = [tap.index_select(0, patches) for tap in self.taps]
        return rows[0] if len(rows) == 1 else torch.cat(rows, dim=1)

    def class_tokens(self) -> torch.Tensor:
        """Return the class token at every tap (taps, D)."""
        return torch.stack([rows[0] for rows in self.prefix])
