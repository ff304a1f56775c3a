"""Run all contenders on the same frames, a few at a time, in an order that rotates."""

from dataclasses import dataclass, field
import itertools
import time
from typing import Callable, Iterable, Mapping, Sequence

import numpy as np
import torch

from mtshare_ros.benchmark.contenders import Contender
from mtshare_ros.benchmark.dense_forms import synchronize
from mtshare_ros.data.rooms.room_frame import RoomFrame
from mtshare_ros.evaluation.flicker import Correspondence, Flicker
from mtshare_ros.evaluation.metrics import make_metric, Metric
from mtshare_ros.evaluation.output_error import relative_error
from mtshare_ros.evaluation.room_data import tasks_of_rooms
from mtshare_ros.evaluation.scorer import Metrics
from mtshare_ros.evaluation.truth_and_rules import bring_to_scale, Truth
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.prediction import FrameStats, Prediction


@dataclass
class ContenderRecord:
    """Measurements of one contender's counted frames; ``engine`` has the model that it runs."""

    engine: Engine
    tasks: tuple[str, ...]
    metrics: dict[str, Metric] = field(default_factory=dict)
    milliseconds: list[float] = field(default_factory=list)
    stats: list[FrameStats] = field(default_factory=list)
    differences: dict[str, list[float]] = field(default_factory=dict)
    clean_differences: dict[str, list[float]] = field(default_factory=dict)
    flicker: Flicker | None = None

    def add_time(self, milliseconds: float, stats: FrameStats) -> None:
        """Add the time and the statistics of a frame."""
        self.milliseconds.append(milliseconds)
        self.stats.append(stats)

    def compare(
        self, raw: Mapping[str, torch.Tensor], reference: Mapping[str, torch.Tensor]
    ) -> None:
        """Add the distance of a frame's raw outputs to those of ``reference``, by task."""
        self._add(self.differences, raw, reference)

    def compare_clean(
        self, raw: Mapping[str, torch.Tensor], clean: Mapping[str, torch.Tensor] | None
    ) -> None:
        """Add the distance of raw outputs to the dense ones without noise; None adds nothing."""
        if clean is not None:
            self._add(self.clean_differences, raw, clean)

    def _add(
        self, found: dict[str, list[float]], raw: Mapping[str, torch.Tensor],
        reference: Mapping[str, torch.Tensor],
    ) -> None:
        for task in self.tasks:
            difference = relative_error(raw[task], reference[task])
            found.setdefault(task, []).append(difference)

    def add_maps(
        self, prediction: Prediction, truth: Truth, same: Correspondence | None, *, scored: bool
    ) -> None:
        """
        Add a frame's maps to the flicker and, if it is scored, to the metrics.

        Scales its depth, in place, to metres of the camera. ``same`` says which pixels show the
        same surface as in the frame added before, None for the first frame of a room.
        """
        bring_to_scale(self.engine, prediction, truth)
        if scored:
            for metric in self.metrics.values():
                metric.update(prediction, truth)
        if self.flicker is not None:
            self.flicker.update(prediction, same)

    def results(self) -> Metrics | None:
        """Return the metrics of all frames by task, None where maps are not scored."""
        if not self.metrics:
            return None
        return {task: metric.result() for task, metric in self.metrics.items()}


def new_record(engine: Engine, tasks: Sequence[str], *, scored: bool) -> ContenderRecord:
    """
    Return an empty record; ``scored`` says whether maps are compared with the truth of rooms.

    Tasks that rooms have no truth of are left out, and so are masks of another label set.
    """
    known = tasks_of_rooms(engine) if scored else ()
    metrics = {task: make_metric(task, len(engine.labels)) for task in tasks if task in known}
    return ContenderRecord(engine, tuple(tasks), metrics, flicker=Flicker() if scored else None)


TURN = 8
"""Frames that a contender computes in a row before the next one runs."""

RawOutputs = dict[str, torch.Tensor]
"""Raw outputs (1, C, H/4, W/4) by task."""


@dataclass(frozen=True)
class Runner:
    """
    A contender with its record.

    ``every`` n: it runs on every n-th frame only, because its cost does not depend on the frame.
    ``compared``: its raw outputs are compared with the reference's. ``warm`` computes a frame
    without keeping anything of it, before the first frame of a turn, so that the latter can be
    timed too.
    """

    contender: Contender
    record: ContenderRecord
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

    ``clean`` are the dense ones of the frames without noise, None where the run has no such
    frames.
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
    """What a contender made of one frame; ``settled`` says whether its time counts."""

    milliseconds: float
    settled: bool
    prediction: Prediction
    raw: RawOutputs


class Race:
    """
    Runs contenders against each other.

    They take turns of a few frames, in an order that rotates, so that other load of the machine
    affects all of them alike. The first frame of a turn is not timed: its weights have to be read
    from memory again, because the other contenders displaced them from the processor's caches,
    which does not happen on a robot. The first runner is the reference: the raw outputs of the
    others are compared with its own. ``clean``, where given, computes the frames without noise; it
    is not timed.
    """

    def __init__(
        self, runners: Sequence[Runner], options: RunOptions, clean: Contender | None = None
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
        """
        Run every contender over all rooms; ``progress`` is called with the number of frames done.

        ``clean_rooms`` are the same frames without noise.
        """
        spares = itertools.repeat(None) if clean_rooms is None else clean_rooms
        for frames, spare in zip(rooms, spares):
            self.log.start()
            self._last = None
            for runner in self.runners:
                runner.contender.start()
            for place in range(0, len(frames), TURN):
                turn = slice(place, place + TURN)
                self._turn(frames[turn], None if spare is None else spare[turn],
                           max(0, self._options.warm_up - place))
                if progress is not None:
                    progress(self._frames)

    def _turn(
        self, truths: Sequence[RoomFrame], spares: Sequence[RoomFrame] | None, uncounted: int
    ) -> None:
        """Run every contender on the frames; the first ``uncounted`` frames are not recorded."""
        first, self._frames = self._frames, self._frames + len(truths)
        numbers = range(first, self._frames)
        runs = {id(runner): self._run_contender(runner, truths, numbers)
                for runner in self._order(first // TURN)}
        for place, number in list(enumerate(numbers))[uncounted:]:
            found = {key: run[number] for key, run in runs.items() if number in run}
            self._record(found, truths[place], None if spares is None else spares[place], number)

    def _run_contender(
        self, runner: Runner, truths: Sequence[RoomFrame], numbers: Iterable[int]
    ) -> dict[int, _Run]:
        """Run a contender on its frames of a turn and return the results by frame number."""
        runs: dict[int, _Run] = {}
        for number, truth in zip(numbers, truths):
            if number % runner.every:
                continue
            # one that skips frames finds cold caches in each of its frames, others in the first of
            # a turn
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
        # without the second term, a contender that runs every n-th frame only would have the same
        # place in the order each time
        turn = (number + number // len(self.runners)) % len(self.runners)
        return self.runners[turn:] + self.runners[:turn]

    def _time(self, runner: Runner, image: np.ndarray, settled: bool) -> _Run:
        synchronize(self._options.device)
        start = time.perf_counter()
        prediction = runner.contender.run(image)
        synchronize(self._options.device)
        milliseconds = (time.perf_counter() - start) * 1e3
        tasks = runner.record.tasks if self._keeps_raw(runner) else ()
        raw = {task: runner.contender.raw(task).detach().clone() for task in tasks}
        return _Run(milliseconds, settled, prediction, raw)
