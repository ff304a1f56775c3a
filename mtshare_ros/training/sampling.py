"""Which items a step sees: a pure function of the seed and the step, so a resumed run goes on."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np

from mtshare_ros.training.config import Phase, StagePlan


@dataclass(frozen=True)
class Step:
    """One optimiser step: its number from 0, its phase, and the items of its batch."""

    number: int
    phase: Phase
    indices: tuple[int, ...]
    seed: int

    def random(self, place: int) -> np.random.Generator:
        """
        Return the source of chance of the item at a place of the batch.

        Every item has its own, so that processes that share a batch draw what one would have.
        """
        return np.random.default_rng((self.seed, self.number, place))


class Steps(Protocol):
    """The steps of a stage."""

    def step(self, number: int) -> Step:
        """Return a step of the run by its number."""


class MixedPlan:
    """
    The batches of all phases in one order, shuffled anew for each round.

    A phase's items are its own, from 0 to the images it counts; each is seen once in a round.
    """

    def __init__(self, plan: StagePlan, seed: int) -> None:
        self._plan = plan
        self._seed = seed
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
            items = random.permutation(phase.images)[:phase.steps * phase.batch_size]
            batches += [(phase, tuple(sorted(map(int, batch))))
                        for batch in items.reshape(phase.steps, phase.batch_size)]
        return [batches[place] for place in random.permutation(len(batches))]


class StepPlan:
    """Every item once per epoch, in an order shuffled anew for each."""

    def __init__(self, plan: StagePlan, seed: int, item_count: int) -> None:
        self._plan = plan
        self._seed = seed
        self._item_count = item_count
        # threads that make batches ahead ask for another epoch than the one that learns
        self._order = lru_cache(maxsize=4)(self._shuffle)

    def step(self, number: int) -> Step:
        """Return a step of the run by its number."""
        phase, items_before = self._locate(number)
        picks = range(items_before, items_before + phase.batch_size)
        return Step(number, phase, tuple(self._item(pick) for pick in picks), self._seed)

    def _locate(self, number: int) -> tuple[Phase, int]:
        """Return the phase of a step and how many items the steps before it saw."""
        items = 0
        for phase in self._plan.phases:
            if number < phase.steps:
                return phase, items + number * phase.batch_size
            number -= phase.steps
            items += phase.steps * phase.batch_size
        raise IndexError(f'the stage has {self._plan.steps} steps')

    def _item(self, pick: int) -> int:
        epoch, place = divmod(pick, self._item_count)
        return int(self._order(epoch)[place])

    def _shuffle(self, epoch: int) -> np.ndarray:
        random = np.random.default_rng((self._seed, epoch, self._item_count))
        return random.permutation(self._item_count)
