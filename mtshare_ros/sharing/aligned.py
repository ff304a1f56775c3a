"""Bilinear enlargement that leaves the centres of the corner pixels where they are."""

from dataclasses import dataclass
from functools import lru_cache

import torch

from mtshare_ros.model.dpt_head import enlarge_aligned
from mtshare_ros.sharing.level import Level


@dataclass(frozen=True)
class Samples:
    """
    What each line of a target reads of the lines of a source, (n,) each.

    ``share`` of the line ``after``, the rest of the line ``before``.
    """

    before: torch.Tensor
    after: torch.Tensor
    share: torch.Tensor


@dataclass(frozen=True)
class AlignedEnlargement:
    """
    What ``enlarge_aligned`` makes of maps of a level.

    Patches are not alike in it: a pixel of the target reads its sources farther left or right of
    its own place the farther it is from the middle, up to half a pixel.
    """

    source: Level
    target: Level

    def everywhere(self, rows: torch.Tensor) -> torch.Tensor:
        """Return all pixels (count, C) of the target for a map of rows (count + 1, C)."""
        large = enlarge_aligned(self.source.image(rows), self.target.size)
        return large.permute(0, 2, 3, 1).reshape(self.target.count, -1)

    def pixels(self, rows: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
        """Return pixels (p,) of the target, (p, C)."""
        lines, columns = self._samples(rows.device)
        across = self.target.size[1]
        line, column = pixels // across, pixels % across
        weight = columns.share.index_select(0, column)[:, None].to(rows.dtype)
        parts = []
        for source in (lines.before, lines.after):
            start = source.index_select(0, line) * self.source.size[1]
            left, right = (rows.index_select(0, start + side.index_select(0, column))
                           for side in (columns.before, columns.after))
            parts.append(torch.lerp(left, right, weight))
        return torch.lerp(*parts, lines.share.index_select(0, line)[:, None].to(rows.dtype))

    def affected(self, mask: torch.Tensor) -> torch.Tensor:
        """Return the pixels of the target (H, W) bool that read pixels of a mask (h, w)."""
        for axis, samples in enumerate(self._samples(mask.device)):
            mask = mask.index_select(axis, samples.before) | mask.index_select(axis, samples.after)
        return mask

    def _samples(self, device: torch.device) -> tuple[Samples, Samples]:
        """Return those of lines and of columns."""
        first, second = zip(self.source.size, self.target.size)
        return _samples_of(*first, device), _samples_of(*second, device)


@lru_cache(maxsize=64)
def _samples_of(source: int, target: int, device: torch.device) -> Samples:
    scale = (source - 1) / (target - 1) if target > 1 else 0.0
    places = torch.arange(target, dtype=torch.float32) * torch.tensor(scale, dtype=torch.float32)
    before = places.floor().long().clamp_(max=source - 1)
    after = (before + 1).clamp_(max=source - 1)
    return Samples(before.to(device), after.to(device), (places - before).to(device))
