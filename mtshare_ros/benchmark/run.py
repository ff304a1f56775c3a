"""The interleaved run: every side on the same frames, a few at a time, in turning order."""

from dataclasses import dataclass, field
import itertools
import time
from typing import Callable, Iterable, Sequence

import numpy as np
import torch

from mtshare_ros.benchmark.dense_forms import synchronize
from mtshare_ros.benchmark.record import SideRecord
from mtshare_ros.benchmark.side import Side
from mtshare_ros.data.rooms.frame import RoomFrame
from mtshare_ros.evaluation.correspondence import Correspondence
from mtshare_ros.inference.prediction import Prediction

TURN = 8
"""Frames a side runs before it is the next one's turn."""

RawOutputs = dict[str, torch.Tensor]
"""Raw outputs (1, C, H/4, W/4) by task."""


@dataclass(frozen=True)
class Runner:
    """
    A side with its record.

    ``every`` n: only every n-th frame is run, for sides whose cost does not depend on the frame.
    ``compared`` says whether its raw outputs are held against the reference's. ``warm`` computes
    a frame of which nothing is remembered, so that the first frame of a turn is timed as well.
    """

    side: Side
    record: SideRecord
    every: int = 1
    compared: bool = True
    warm: Callable[[np.ndarray], object] | None = None


@dataclass(frozen=True)
class RunOptions:
    """``score_every`` n: the maps of every n-th frame are compared with the truth."""

    device: str = 'cpu'
    warm_up: int = 8
    score_every: int = 1


@dataclass
class ReferenceLog:
    """
    The reference's raw outputs of all counted frames, room by room, in half precision.

    ``clean`` are those of the frames without noise, None where they are not asked for.
    """

    rooms: list[list[RawOutputs]] = field(default_factory=list)
    clean: list[list[RawOutputs | None]] = field(default_factory=list)
    milliseconds: list[list[float]] = field(default_factory=list)

    def start(self) -> None:
        """Begin a room."""
        for rooms in (self.rooms, self.clean, self.milliseconds):
            rooms.append([])

    def add(self, raw: RawOutputs, clean: RawOutputs | None, milliseconds: float) -> None:
        """Add a counted frame."""
        self.rooms[-1].append(_halved(raw))
        self.clean[-1].append(None if clean is None else _halved(clean))
        self.milliseconds[-1].append(milliseconds)


def _halved(raw: RawOutputs) -> RawOutputs:
    return {task: value.half().cpu() for task, value in raw.items()}


@dataclass(frozen=True)
class _Run:
    """One side on one frame; ``settled`` says whether the time counts."""

    milliseconds: float
    settled: bool
    prediction: Prediction
    raw: RawOutputs


class Race:
    """
    Runs sides against each other.

    The sides take turns of a few frames, in an order that turns as well, so that what else the
    machine does meets all alike. In a turn the first frame is not timed: it reads weights back
    that the other sides, which no robot runs beside, drove out of the processor's caches. The
    first runner is the reference: every frame's raw outputs of the others are compared with its
    own. ``clean``, where given, computes the frames without noise, untimed.
    """

    def __init__(
        self, runners: Sequence[Runner], options: RunOptions, clean: Side | None = None
    ) -> None:
        self._clean = clean
        self.runners = list(runners)
        self.log = ReferenceLog()
        self._options = options
        self._frames = 0
        self._last: RoomFrame | None = None

    def run(
        self, rooms: Iterable[Sequence[RoomFrame]],
        progress: Callable[[int], None] | None = None,
        clean_rooms: Iterable[Sequence[RoomFrame]] | None = None,
    ) -> None:
        """Run every side over all rooms; ``progress`` gets the number of frames done."""
        spares = itertools.repeat(None) if clean_rooms is None else clean_rooms
        for frames, spare in zip(rooms, spares):
            self.log.start()
            self._last = None
            for runner in self.runners:
                runner.side.start()
            for place in range(0, len(frames), TURN):
                turn = slice(place, place + TURN)
                self._turn(frames[turn], None if spare is None else spare[turn],
                           max(0, self._options.warm_up - place))
                if progress is not None:
                    progress(self._frames)

    def _turn(
        self, truths: Sequence[RoomFrame], spares: Sequence[RoomFrame] | None, uncounted: int
    ) -> None:
        """Run every side on the frames; those after the first ``uncounted`` ones count."""
        first, self._frames = self._frames, self._frames + len(truths)
        numbers = range(first, self._frames)
        runs = {id(runner): self._run_side(runner, truths, numbers)
                for runner in self._order(first // TURN)}
        for place, number in list(enumerate(numbers))[uncounted:]:
            found = {key: side[number] for key, side in runs.items() if number in side}
            self._record(found, truths[place], None if spares is None else spares[place], number)

    def _run_side(
        self, runner: Runner, truths: Sequence[RoomFrame], numbers: Iterable[int]
    ) -> dict[int, _Run]:
        """Run a side on its frames of a turn and return what came out by frame number."""
        runs: dict[int, _Run] = {}
        for number, truth in zip(numbers, truths):
            if number % runner.every:
                continue
            if runner.warm is not None and (runner.every > 1 or not runs):
                runner.warm(truth.image)
            runs[number] = self._time(runner, truth.image,
                                      bool(runs) or runner.warm is not None)
        return runs

    def _record(
        self, runs: dict[int, _Run], truth: RoomFrame, spare: RoomFrame | None, number: int
    ) -> None:
        reference, clean = runs[id(self.runners[0])], self._compute_clean(spare)
        self.log.add(reference.raw, clean, reference.milliseconds)
        scored = number % self._options.score_every == 0
        same = None if self._last is None else Correspondence.between(self._last, truth)
        self._last = truth
        for runner in self.runners:
            found = runs.get(id(runner))
            if found is None:
                continue
            if found.settled:
                runner.record.add_time(found.milliseconds, found.prediction.stats)
            if runner.compared:
                runner.record.compare(found.raw, reference.raw)
            if self._keeps_raw(runner):
                runner.record.compare_clean(found.raw, clean)
            runner.record.add_maps(found.prediction, truth, same, scored=scored)

    def _compute_clean(self, spare: RoomFrame | None) -> RawOutputs | None:
        if spare is None or self._clean is None:
            return None
        self._clean.run(spare.image)
        return {task: self._clean.raw(task) for task in self.runners[0].record.tasks}

    def _keeps_raw(self, runner: Runner) -> bool:
        return runner.compared or runner is self.runners[0]

    def _order(self, number: int) -> list[Runner]:
        # the second term keeps sides that run every n-th frame from always having the same place
        turn = (number + number // len(self.runners)) % len(self.runners)
        return self.runners[turn:] + self.runners[:turn]

    def _time(self, runner: Runner, image: np.ndarray, settled: bool) -> _Run:
        synchronize(self._options.device)
        start = time.perf_counter()
        prediction = runner.side.run(image)
        synchronize(self._options.device)
        milliseconds = (time.perf_counter() - start) * 1e3
        tasks = runner.record.tasks if self._keeps_raw(runner) else ()
        raw = {task: runner.side.raw(task).detach().clone() for task in tasks}
        return _Run(milliseconds, settled, prediction, raw)
