"""The engine's input gate on films: what has been transmitted when the last frame has come."""

from dataclasses import dataclass

import torch

from mtshare_ros.model.network import MultiTaskNetwork
from mtshare_ros.sharing.change import ChangeDetector
from mtshare_ros.sharing.plan import PlanBounds, Planner
from mtshare_ros.sharing.settings import SharingSettings
from mtshare_ros.sharing.stem import receptive_field_of_stem


@dataclass(frozen=True)
class GatedFilms:
    """
    What the network sees of films (B, T, 3, H, W) in their last two frames.

    ``before`` and ``now`` (B, 3, H, W) uint8 are the reference images, made of each patch when it
    was last transmitted. ``entering`` (B, N) bool are the rows that the last frame lets in,
    ``forced`` (B, N) bool those whose refresh turn has come.
    """

    before: torch.Tensor
    now: torch.Tensor
    entering: torch.Tensor
    forced: torch.Tensor


class InputGate:
    """
    Runs detector and planner of the sharing engine; holds nothing of a film.

    ``factor`` scales the change of a patch that counts, as the factor on temporal thresholds does.
    """

    def __init__(self, network: MultiTaskNetwork, device: torch.device, factor: float) -> None:
        self._patch_size = network.config.patch_size
        self._detector = ChangeDetector(device, self._patch_size)
        self._planner = Planner(receptive_field_of_stem(network).spread)
        self._settings = SharingSettings()
        self._factor = factor

    def __call__(self, films: torch.Tensor, turns: list[int]) -> GatedFilms:
        """
        Let films (B, T, 3, H, W) uint8 in, at least two frames each.

        ``turns`` (B) say where in the refresh schedule their last frame comes.
        """
        seen = [self._stream(film, turn) for film, turn in zip(films, turns)]
        before, now, entering, forced = (torch.stack(parts) for parts in zip(*seen))
        return GatedFilms(before, now, entering, forced)

    def _stream(
        self, film: torch.Tensor, turn: int
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return a film's reference images, entering and forced rows, see GatedFilms."""
        side = self._patch_size
        grid = (film.shape[2] // side, film.shape[3] // side)
        state = self._detector.allocate(grid)
        ages = torch.zeros(grid[0] * grid[1], dtype=torch.int32, device=film.device)
        self._detector.observe(state, film[:1])
        self._detector.transmit_all(state)
        before = now = film[0]
        entering = forced = torch.zeros_like(ages, dtype=torch.bool)
        for number, frame in enumerate(film[1:], start=turn + 2 - len(film)):
            plan = self._planner.plan(
                grid, number % self._settings.refresh_period,
                self._detector.observe(state, frame[None]), ages, self._factor, self._settings,
                PlanBounds())
            patches = _mask(plan.transmitted, ages)
            self._detector.transmit(state, patches.nonzero()[:, 0])
            before, now = now, torch.where(_pixels(patches.view(grid), side), frame, now)
            entering = _mask(plan.patches, ages)
            forced = torch.zeros_like(entering) if plan.due is None else plan.due
        return before, now, entering, forced


def _mask(rows: torch.Tensor | None, like: torch.Tensor) -> torch.Tensor:
    """Return rows (n,) as a mask (N,); None means all."""
    if rows is None:
        return torch.ones_like(like, dtype=torch.bool)
    return torch.zeros_like(like, dtype=torch.bool).index_fill_(0, rows, True)


def _pixels(patches: torch.Tensor, side: int) -> torch.Tensor:
    """Return a mask of patches (rows, columns) of a side as one of their pixels (H, W)."""
    return patches.repeat_interleave(side, 0).repeat_interleave(side, 1)
