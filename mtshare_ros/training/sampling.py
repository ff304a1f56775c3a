"""Which frames a step sees: a pure function of the seed and the step, so a resumed run goes on."""

from dataclasses import dataclass

import numpy as np

from mtshare_ros.training.config import Phase, TrainingConfig


@dataclass(frozen=True)
class Step:
    """One optimiser step: its number from 0, its phase, its frames and its source of chance."""

    number: int
    phase: Phase
    indices: tuple[int, ...]
    random: np.random.Generator


class StepPlan:
    """Every frame once per epoch, in an order shuffled anew for each."""

    def __init__(self, config: TrainingConfig, frame_count: int) -> None:
        self._config = config
        self._frame_count = frame_count
        self._epoch = -1
        self._order = np.empty(0, dtype=np.int64)

    def step(self, number: int) -> Step:
        """Return a step of the run by its number."""
        phase, images_before = self._locate(number)
        picks = range(images_before, images_before + phase.batch_size)
        return Step(number, phase, tuple(self._frame(pick) for pick in picks),
                    np.random.default_rng((self._config.seed, number)))

    def _locate(self, number: int) -> tuple[Phase, int]:
        """Return the phase of a step and how many images the steps before it saw."""
        images = 0
        for phase in self._config.phases:
            if number < phase.steps:
                return phase, images + number * phase.batch_size
            number -= phase.steps
            images += phase.steps * phase.batch_size
        raise IndexError(f'the run has {self._config.steps} steps')

    def _frame(self, pick: int) -> int:
        epoch, place = divmod(pick, self._frame_count)
        if epoch != self._epoch:
            shuffle = np.random.default_rng((self._config.seed, epoch, self._frame_count))
            self._order, self._epoch = shuffle.permutation(self._frame_count), epoch
        return int(self._order[place])
