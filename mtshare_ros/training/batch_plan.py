"""
Which items the batch of each step holds, and how batches are made ahead of time.

The items depend on the seed and the step only, so a resumed run sees what it would have seen.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, Protocol, TypeVar

import numpy as np
import torch

from mtshare_ros.data.batches import Batch, ClipBatch, ClipSet, TrainingSet
from mtshare_ros.training.stage_config import Phase, StagePlan

T = TypeVar('T')


@dataclass(frozen=True)
class Step:
    """One optimiser step: its number from 0, its phase, and the items of its batch."""

    number: int
    phase: Phase
    indices: tuple[int, ...]
    seed: int

    def random(self, place: int) -> np.random.Generator:
        """
        Return the random generator of the item at a place of the batch.

        Every item has its own, so that several processes draw the same numbers as one would.
        """
        return np.random.default_rng((self.seed, self.number, place))


class Steps(Protocol):
    """The steps of a stage."""

    def step(self, number: int) -> Step:
        """Return a step of the run by its number."""


class MixedPlan:
    """
    The batches of all phases in one order, shuffled anew for each round.

    Each phase has its own items, numbered from 0; each is seen once in a round.
    """

    def __init__(self, plan: StagePlan, seed: int) -> None:
        self._plan = plan
        self._seed = seed
        # wrapped here and not decorated, so that the cache ends with the plan; several rounds,
        # because threads that make batches ahead may be in the next one
        self._round = lru_cache(maxsize=4)(self._shuffle)

    def step(self, number: int) -> Step:
        """Return a step of the run by its number."""
        turn, place = divmod(number, self._plan.steps // self._plan.rounds)
        phase, indices = self._round(turn)[place]
        return Step(number, phase, indices, self._seed)

    def _shuffle(self, turn: int) -> list[tuple[Phase, tuple[int, ...]]]:
        random = np.random.default_rng((self._seed, turn))
        batches = []
        for phase in self._plan.phases:
            # images that fill no whole batch are left out of this round
            items = random.permutation(phase.images)[:phase.steps * phase.batch_size]
            # sorted, because the features lie in one large file on disk
            batches += [(phase, tuple(sorted(map(int, batch))))
                        for batch in items.reshape(phase.steps, phase.batch_size)]
        return [batches[place] for place in random.permutation(len(batches))]


class StepPlan:
    """Every item once per epoch, in an order shuffled anew for each."""

    def __init__(self, plan: StagePlan, seed: int, item_count: int) -> None:
        self._plan = plan
        self._seed = seed
        self._item_count = item_count
        # more than one epoch, because threads that make batches ahead may be in the next one
        self._order = lru_cache(maxsize=4)(self._shuffle)

    def step(self, number: int) -> Step:
        """Return a step of the run by its number."""
        phase, items_before = self._locate(number)
        picks = range(items_before, items_before + phase.batch_size)
        places = (divmod(pick, self._item_count) for pick in picks)
        indices = tuple(int(self._order(epoch)[place]) for epoch, place in places)
        return Step(number, phase, indices, self._seed)

    def _locate(self, number: int) -> tuple[Phase, int]:
        """Return the phase of a step and how many items the steps before it saw."""
        items = 0
        for phase in self._plan.phases:
            if number < phase.steps:
                return phase, items + number * phase.batch_size
            number -= phase.steps
            items += phase.steps * phase.batch_size
        raise IndexError(f'the stage has {self._plan.steps} steps')

    def _shuffle(self, epoch: int) -> np.ndarray:
        random = np.random.default_rng((self._seed, epoch, self._item_count))
        return random.permutation(self._item_count)


class Prefetcher(Generic[T]):
    """
    Makes the next ``ahead`` batches in threads while the network trains on one.

    ``make`` returns the batch of a step by its number, from 0 to ``count`` - 1, and depends on
    nothing else. With ``ahead`` 0 each batch is made only when ``get`` needs it.
    """

    def __init__(self, make: Callable[[int], T], count: int, ahead: int) -> None:
        self._make, self._count, self._ahead = make, count, ahead
        self._pool = ThreadPoolExecutor(max(ahead, 1), thread_name_prefix='batches')
        self._waiting: dict[int, Future[T]] = {}

    def get(self, number: int) -> T:
        """Return the batch of a step; an error of ``make`` is raised here."""
        for step in range(number, min(number + self._ahead + 1, self._count)):
            if step not in self._waiting:
                self._waiting[step] = self._pool.submit(self._make, step)
        return self._waiting.pop(number).result()

    def close(self) -> None:
        """Stop making batches."""
        self._pool.shutdown(cancel_futures=True)


class AnyBatch(Protocol):
    """A batch of images, of clips or of kept features."""

    def to(self, device: torch.device) -> 'AnyBatch':
        """Return the batch on a device."""


class BatchSource(Protocol):
    """Makes the batches of a stage."""

    @property
    def name(self) -> str:
        """The name of the source in messages."""

    def __len__(self) -> int:
        """Return how many items there are."""

    def batch(self, step: Step, share: Sequence[tuple[int, int]]) -> AnyBatch:
        """Return the items of ``share``, pairs of (place in the batch, index of the item)."""


@dataclass(frozen=True)
class ImageSource:
    """Single images."""

    images: TrainingSet
    name: str

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, step: Step, share: Sequence[tuple[int, int]]) -> Batch:
        """See BatchSource; every image is augmented on its own."""
        phase = step.phase
        return _join([
            self.images.batch([index], phase.size, phase.downscale, step.random(place))
            for place, index in share])


@dataclass(frozen=True)
class ClipSource:
    """Short clips."""

    clips: ClipSet
    name: str

    def __len__(self) -> int:
        return len(self.clips)

    def batch(self, step: Step, share: Sequence[tuple[int, int]]) -> ClipBatch:
        """See BatchSource; every clip is augmented on its own."""
        parts = [self.clips.clip_batch([index], step.phase.size, step.random(place))
                 for place, index in share]
        return ClipBatch(torch.cat([part.frames for part in parts]),
                         _join([part.last for part in parts]))


def _join(parts: Sequence[Batch]) -> Batch:
    truth: Mapping[str, torch.Tensor] = {
        task: torch.cat([part.truth[task] for part in parts]) for task in parts[0].truth}
    return Batch(torch.cat([part.image for part in parts]), truth)
