"""Which patches of a view are computed when the camera moves."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

TOO_MANY = 'too many patches differ from what earlier frames tell'

TILE = 4
"""Patches along a side of a tile; refreshes go by tiles, as heads read round each patch."""


_PACE = 0.1
"""Share of the difference by which one frame changes the usual number of patches."""

_MOST_SCORE = 3.0
"""Scores above this count as this for their neighbours."""


@dataclass(frozen=True)
class ChoiceRules:
    """
    When a patch is computed, and when all of them are.

    A patch is computed where its score exceeds ``threshold``, the mean of its neighbourhood taking
    part in the score with the share ``company``; where its own score exceeds ``strong``; and where
    no earlier frame saw more than the share ``unseen`` of its pixels. The others are refreshed in
    turn, the oldest first: as many as are left of the ``share`` of all patches, but at least one
    in ``slowest`` and at most one in ``fastest``. A patch that was computed near the border of an
    image, with little context, is refreshed sooner once it has moved inwards: ``inward`` frames
    per pixel. At most ``burst`` times the usual number is computed in a frame. Where more than the
    share ``most`` of the patches has to be computed, all are.
    """

    threshold: float = 1.0
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
    What is known of the patches (rows, columns) of a view before they are computed.

    ``scores`` are how much each differs from what is expected of it, ``unseen`` the share of its
    pixels that no earlier frame saw, ``ages`` the mean number of frames since it was computed, and
    ``inward`` by how many pixels it was nearer to the border of the image then. ``new`` bool are
    the patches that must be computed.
    """

    scores: torch.Tensor
    unseen: torch.Tensor
    ages: torch.Tensor
    inward: torch.Tensor
    new: torch.Tensor


@dataclass(frozen=True, eq=False)
class PatchChoice:
    """
    The patches (rows, columns) bool to compute; ``refreshed`` are those of them due by age.

    ``reason`` says why all are computed; it is empty where they are not.
    """

    patches: torch.Tensor
    refreshed: torch.Tensor
    reason: str = ''


class PatchChooser:
    """Chooses patches frame by frame; it remembers the usual number and the refreshes owed."""

    def __init__(self, rules: ChoiceRules = ChoiceRules()) -> None:
        self._rules = rules
        self._owed = 0.0
        self._usual: float | None = None

    def choose(self, evidence: PatchEvidence, budget: int | None = None) -> PatchChoice:
        """
        Return the patches to compute in the next frame.

        With a ``budget`` they are at most that many, except that patches which no earlier frame
        saw are always computed.
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
        """Return the patches that differ, areas of them sooner than single ones."""
        rules = self._rules
        own = scores.clamp(max=_MOST_SCORE)
        around = F.avg_pool2d(own[None, None], 3, 1, 1, count_include_pad=False)[0, 0]
        together = own + rules.company * (around - own)
        return (together > rules.threshold) | (scores > rules.strong)

    def _due(self, evidence: PatchEvidence, wanted: torch.Tensor) -> torch.Tensor:
        """Return the patches of the tiles that are due, without those that are wanted anyway."""
        rules, count = self._rules, wanted.numel()
        left = rules.share * count - int(wanted.sum())
        turns = min(max(left, count / rules.slowest), count / rules.fastest)
        # bounded, so that frames without room for refreshes are not followed by a rush of them
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
        """Return at most as many patches as there is room for, and all forced ones."""
        patches = wanted | refreshed
        asked = int(patches.sum())
        if self._usual is None:
            self._usual = float(asked)
        self._usual += _PACE * (asked - self._usual)
        room = min(int(self._rules.burst * self._usual), most)
        if asked > room:
            # wanted patches come before refreshed ones, whose ages are far below 1000
            urgency = torch.where(wanted, 1e3 + evidence.scores, evidence.ages)
            urgency = urgency.masked_fill(forced, torch.inf).masked_fill(~patches, -1.0)
            kept = torch.zeros_like(patches).flatten()
            kept[urgency.flatten().topk(max(room, int(forced.sum()))).indices] = True
            # refreshes for which there was no room
            self._owed += int((refreshed & ~kept.view(patches.shape)).sum())
            patches = patches & kept.view(patches.shape)
        return PatchChoice(patches, refreshed & patches)


def patch_means(values: torch.Tensor, patch_size: int) -> torch.Tensor:
    """Return the means (rows, columns) of a map (H, W) over its patches."""
    rows, columns = values.shape[0] // patch_size, values.shape[1] // patch_size
    lines = values.reshape(rows, patch_size, -1).sum(dim=1, dtype=torch.float32)
    return lines.view(rows, columns, patch_size).sum(dim=2) / patch_size ** 2


def moved_inwards(row: torch.Tensor, column: torch.Tensor, most: float) -> torch.Tensor:
    """
    Return by how many pixels each pixel (H, W) was nearer to the border when it was computed.

    ``row`` and ``column`` (H, W) are its place then; distances above ``most`` count as ``most``.
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
