"""Which cells of a view are computed when the camera moves."""

from dataclasses import dataclass

import numpy as np
import torch

TOO_MANY = 'too many cells differ from what earlier frames tell'
UNSURE = 'the motion of the camera is not known well enough'


@dataclass(frozen=True)
class ChoosingRules:
    """
    When a cell is computed, and when all of them are.

    ``limit`` is the score above which it is, ``unseen`` the share of its pixels that no earlier
    frame saw. Each is computed anew within about ``period`` frames; what was computed near the
    border of an image, with little round it, is sooner due once it has moved inwards: by
    ``inward`` frames a pixel. No more cells are computed than ``burst`` times what is usual. Above
    ``most``, a share of the cells, all are; so they are below a ``confidence`` of the motion.
    """

    limit: float = 1.0
    unseen: float = 0.02
    period: float = 12.0
    inward: float = 0.5
    burst: float = 1.2
    most: float = 0.55
    confidence: float = 0.3


@dataclass(frozen=True, eq=False)
class CellEvidence:
    """
    What is known of the N cells of a view before they are computed.

    ``scores`` (N,) say how much each differs from what it should look like, ``unseen`` (N,) the
    share of it that no earlier frame saw, ``ages`` (N,) the frames since it was computed on
    average, ``inward`` (N,) by how many pixels it lay nearer to the border of the image then.
    ``new`` (N,) bool are those that must be computed.
    """

    scores: np.ndarray
    unseen: np.ndarray
    ages: np.ndarray
    inward: np.ndarray
    new: np.ndarray


@dataclass(frozen=True, eq=False)
class CellChoice:
    """
    The cells (N,) bool to compute, and those of them whose turn it is, ``refreshed`` (N,) bool.

    ``reason`` is empty, or says why all are computed.
    """

    cells: np.ndarray
    refreshed: np.ndarray
    reason: str = ''


class CellChooser:
    """Chooses cells frame by frame; it remembers how many are usual, and what turns are owed."""

    def __init__(self, rules: ChoosingRules = ChoosingRules()) -> None:
        self._rules = rules
        self._owed = 0.0
        self._usual: float | None = None

    def choose(self, evidence: CellEvidence, confidence: float) -> CellChoice:
        """Return the cells of the next frame; ``confidence`` is that of the camera's motion."""
        rules, count = self._rules, evidence.scores.shape[0]
        if confidence < rules.confidence:
            return _all(count, UNSURE)
        forced = evidence.new | (evidence.unseen > rules.unseen)
        wanted = forced | (evidence.scores > rules.limit)
        if wanted.sum() > rules.most * count:
            return _all(count, TOO_MANY)
        refreshed = self._due(evidence, wanted)
        room = self._room(int(wanted.sum() + refreshed.sum()), count)
        return _within(room, forced, wanted, refreshed, evidence)

    def _due(self, evidence: CellEvidence, wanted: np.ndarray) -> np.ndarray:
        """Return the cells (N,) bool whose turn it is among those that nobody wants yet."""
        count = wanted.shape[0]
        self._owed = min(self._owed + count / self._rules.period, float(count))
        turns = int(self._owed)
        self._owed -= turns
        due = evidence.ages + self._rules.inward * np.maximum(evidence.inward, 0)
        due[wanted] = -1
        chosen = np.zeros(count, bool)
        chosen[np.argsort(-due, kind='stable')[:turns]] = True
        return chosen & ~wanted

    def _room(self, asked: int, count: int) -> int:
        """Return how many cells may be computed where so many are asked for."""
        usual = self._usual
        self._usual = asked if usual is None else usual + _PACE * (asked - usual)
        return count if usual is None else int(self._rules.burst * usual)


_PACE = 0.1
"""By how much of the difference a frame changes what is usual."""


def cell_means(values: torch.Tensor, patch_size: int) -> torch.Tensor:
    """Return the means (N,) over cells of a map (H, W)."""
    rows, columns = values.shape[0] // patch_size, values.shape[1] // patch_size
    return values.view(rows, patch_size, columns, patch_size).float().mean(dim=(1, 3)).view(-1)


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


def _all(count: int, reason: str) -> CellChoice:
    every = np.ones(count, bool)
    return CellChoice(every, every, reason)


def _within(
    room: int, forced: np.ndarray, wanted: np.ndarray, refreshed: np.ndarray,
    evidence: CellEvidence,
) -> CellChoice:
    """Return no more cells than there is room for, the most urgent first; forced ones anyway."""
    urgency = np.where(forced, np.inf, np.where(
        wanted, 1e3 + evidence.scores, np.where(refreshed, evidence.ages, -np.inf)))
    some = np.zeros(wanted.shape[0], bool)
    some[np.argsort(-urgency, kind='stable')[:max(room, int(forced.sum()))]] = True
    cells = some & (wanted | refreshed)
    return CellChoice(cells, refreshed & cells)
