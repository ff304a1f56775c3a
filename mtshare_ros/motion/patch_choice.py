"""Which cells of a view are computed when the camera moves."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

TOO_MANY = 'too many cells differ from what earlier frames tell'

TILE = 4
"""Cells along a side of a tile: cells are refreshed by tiles, because heads read round a cell."""


@dataclass(frozen=True)
class ChoiceRules:
    """
    When a cell is computed, and when all of them are.

    ``limit`` is the score above which it is, where those of its neighbours count by the share
    ``company``; ``strong`` the score of its own that is enough. ``unseen`` is the share of its
    pixels that no earlier frame saw. Others are computed anew in turn, the oldest first: as many
    as are left of the ``share`` of all cells, but at least every ``slowest``-th and at most every
    ``fastest``-th of all. What was computed near the border of an image, with little round it, is
    sooner due once it has moved inwards: by ``inward`` frames a pixel. No more cells are computed
    than ``burst`` times what is usual. Above ``most``, a share of the cells, all are.
    """

    limit: float = 1.0
    company: float = 0.7
    strong: float = 4.0
    unseen: float = 0.02
    share: float = 0.34
    slowest: float = 30.0
    fastest: float = 6.0
    inward: float = 0.5
    burst: float = 1.1
    most: float = 0.55


@dataclass(frozen=True, eq=False)
class PatchEvidence:
    """
    What is known of the cells (rows, columns) of a view before they are computed.

    ``scores`` say how much each differs from what it should look like, ``unseen`` the share of it
    that no earlier frame saw, ``ages`` the frames since it was computed on average, ``inward`` by
    how many pixels it lay nearer to the border of the image then. ``new`` bool are those that must
    be computed.
    """

    scores: torch.Tensor
    unseen: torch.Tensor
    ages: torch.Tensor
    inward: torch.Tensor
    new: torch.Tensor


@dataclass(frozen=True, eq=False)
class PatchChoice:
    """
    The cells (rows, columns) bool to compute, and those of them whose turn it is, ``refreshed``.

    ``reason`` is empty, or says why all are computed.
    """

    cells: torch.Tensor
    refreshed: torch.Tensor
    reason: str = ''


class PatchChooser:
    """Chooses cells frame by frame; it remembers how many are usual, and what turns are owed."""

    def __init__(self, rules: ChoiceRules = ChoiceRules()) -> None:
        self._rules = rules
        self._owed = 0.0
        self._usual: float | None = None

    def choose(self, evidence: PatchEvidence, budget: int | None = None) -> PatchChoice:
        """
        Return the cells of the next frame.

        With a ``budget`` they are no more than that, but for those that no earlier frame saw.
        """
        rules, count = self._rules, evidence.scores.numel()
        forced = evidence.new | (evidence.unseen > rules.unseen)
        wanted = forced | self._fired(evidence.scores)
        if budget is None and int(wanted.sum()) > rules.most * count:
            return PatchChoice(torch.ones_like(wanted), torch.zeros_like(wanted), TOO_MANY)
        refreshed = self._due(evidence, wanted)
        most = count if budget is None else budget
        return self._within(forced, wanted, refreshed, evidence, most)

    def _fired(self, scores: torch.Tensor) -> torch.Tensor:
        """Return the cells that differ: rather areas of them than single ones."""
        rules = self._rules
        own = scores.clamp(max=_MOST_SCORE)
        around = F.avg_pool2d(own[None, None], 3, 1, 1, count_include_pad=False)[0, 0]
        together = own + rules.company * (around - own)
        return (together > rules.limit) | (scores > rules.strong)

    def _due(self, evidence: PatchEvidence, wanted: torch.Tensor) -> torch.Tensor:
        """Return the tiles of cells whose turn it is, without those that are wanted anyway."""
        rules, count = self._rules, wanted.numel()
        left = rules.share * count - int(wanted.sum())
        turns = min(max(left, count / rules.slowest), count / rules.fastest)
        self._owed = min(self._owed + turns, count / rules.fastest)
        due = evidence.ages + rules.inward * evidence.inward.clamp(min=0)
        due = torch.where(wanted, 0.0, due)
        tiles = F.avg_pool2d(due[None, None], TILE, ceil_mode=True, count_include_pad=False)[0, 0]
        count = min(round(self._owed / TILE ** 2), tiles.numel())
        chosen = torch.zeros(tiles.numel(), dtype=torch.bool, device=wanted.device)
        chosen[tiles.flatten().topk(count).indices] = True
        self._owed -= count * TILE ** 2
        spread = chosen.view(tiles.shape).repeat_interleave(TILE, 0).repeat_interleave(TILE, 1)
        return spread[:wanted.shape[0], :wanted.shape[1]] & ~wanted

    def _within(
        self, forced: torch.Tensor, wanted: torch.Tensor, refreshed: torch.Tensor,
        evidence: PatchEvidence, most: int,
    ) -> PatchChoice:
        """Return no more cells than there is room for, but all forced ones."""
        cells = wanted | refreshed
        asked = int(cells.sum())
        room = min(self._room(asked), most)
        if asked > room:
            urgency = torch.where(wanted, 1e3 + evidence.scores, evidence.ages)
            urgency = urgency.masked_fill(forced, torch.inf).masked_fill(~cells, -1.0)
            kept = torch.zeros_like(cells).flatten()
            kept[urgency.flatten().topk(max(room, int(forced.sum()))).indices] = True
            self._owed += int((refreshed & ~kept.view(cells.shape)).sum())
            cells = cells & kept.view(cells.shape)
        return PatchChoice(cells, refreshed & cells)

    def _room(self, asked: int) -> int:
        """Return how many cells may be computed where so many are asked for."""
        if self._usual is None:
            self._usual = float(asked)
        self._usual += _PACE * (asked - self._usual)
        return int(self._rules.burst * self._usual)


_PACE = 0.1
"""By how much of the difference a frame changes what is usual."""

_MOST_SCORE = 3.0
"""Beyond this a cell tells its neighbours no more."""


def patch_means(values: torch.Tensor, patch_size: int) -> torch.Tensor:
    """Return the means (rows, columns) over cells of a map (H, W)."""
    rows, columns = values.shape[0] // patch_size, values.shape[1] // patch_size
    lines = values.reshape(rows, patch_size, -1).sum(dim=1, dtype=torch.float32)
    return lines.view(rows, columns, patch_size).sum(dim=2) / patch_size ** 2


def moved_inwards(row: torch.Tensor, column: torch.Tensor, most: float) -> torch.Tensor:
    """
    Return by how many pixels each pixel (H, W) lay nearer to the border when it was computed.

    ``row`` and ``column`` (H, W) say where that was; beyond ``most`` pixels a border is far.
    """
    height, width = row.shape
    rows = torch.arange(height, device=row.device, dtype=row.dtype)[:, None]
    columns = torch.arange(width, device=row.device, dtype=row.dtype)
    now = _to_border(rows, columns, height, width).clamp(max=most)
    return now - _to_border(row, column, height, width).clamp(0, most)


def _to_border(
    row: torch.Tensor, column: torch.Tensor, height: int, width: int
) -> torch.Tensor:
    return torch.minimum(torch.minimum(row, height - 1 - row),
                         torch.minimum(column, width - 1 - column))
