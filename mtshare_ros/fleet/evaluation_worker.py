"""Evaluate a model with many workers: each takes one clip, or a few images, at a time."""

from dataclasses import dataclass
from typing import Any, Callable, Mapping, Sequence

from mtshare_ros.errors import FleetError
from mtshare_ros.evaluation.clip_evaluation import (
    ClipPlan,
    ClipReport,
    evaluate_clip,
    EvaluationClip,
    Observe,
    ScoredFrames,
)
from mtshare_ros.evaluation.output_error import DENSE
from mtshare_ros.evaluation.truth_and_rules import Truth
from mtshare_ros.fleet.ordered_results import in_order
from mtshare_ros.fleet.pool import Pool, Report, Task
from mtshare_ros.fleet.worker_model import WorkerModel
from mtshare_ros.inference.machine_costs import choices_of
from mtshare_ros.inference.prediction import Prediction


@dataclass(frozen=True)
class ShownFrame:
    """A frame to be shown, its number counted over all clips, with its predictions by mode."""

    number: int
    truth: Truth
    found: Mapping[str, Prediction]


@dataclass(frozen=True)
class ScoredClip:
    """The result for one clip; ``computed_with`` is what the worker computed it with."""

    scored: ScoredFrames
    shown: tuple[ShownFrame, ...]
    computed_with: Mapping[str, Any]

    @property
    def frames(self) -> int:
        """Number of frames."""
        return self.scored.frames


@dataclass(frozen=True)
class EvaluationWorkers:
    """
    Makes the workers of an evaluation.

    ``shown`` are the numbers, counted over all clips, of the frames that come back with their
    predictions.
    """

    model: WorkerModel
    clips: Sequence[EvaluationClip]
    plan: ClipPlan
    shown: frozenset[int] = frozenset()

    def __call__(self, report: Report) -> 'EvaluationWorker':
        """Return a worker, in the process it runs in."""
        return EvaluationWorker(self, report)

    def tasks(self) -> list[Task]:
        """Return a task for each clip."""
        tasks, first = [], 0
        for number, clip in enumerate(self.clips):
            key = f'{clip.name}, frames {first} to {first + len(clip) - 1}'
            tasks.append(Task(key, 'evaluate', (key, number, first)))
            first += len(clip)
        return tasks


class EvaluationWorker:
    """Evaluates clips in its process, with an engine of its own."""

    def __init__(self, work: EvaluationWorkers, report: Report) -> None:
        self._work = work
        self._engine = work.model.load()
        self._report = report

    def evaluate(self, key: str, number: int, first: int) -> ScoredClip:
        """Evaluate the clip of a number, before which there are ``first`` frames."""
        shown: list[ShownFrame] = []

        def observe(place: int, truth: Truth, found: Mapping[str, Prediction]) -> None:
            if place in self._work.shown:
                shown.append(ShownFrame(place, truth, found))

        scored = evaluate_clip(
            self._engine, self._work.clips[number], self._work.plan, first=first, observe=observe,
            progress=lambda done: self._report(key, done - first))
        return ScoredClip(scored, tuple(shown),
                          choices_of(self._engine, self._work.plan.sharing or DENSE))


@dataclass(frozen=True)
class FleetReport:
    """
    The report of an evaluation, and what the workers computed it with.

    Where they run on processors of several kinds, ``processor`` names all of them.
    """

    report: ClipReport
    computed_with: Mapping[str, Any]


def evaluate_with(
    pool: Pool, work: EvaluationWorkers, empty: ScoredFrames, *,
    observe: Observe = lambda number, truth, found: None,
    progress: Callable[[int], None] = lambda done: None,
) -> FleetReport:
    """
    Evaluate all clips with a pool of the workers that ``work`` makes.

    ``empty`` are no frames of the same plan, which the others are added to: in the order of the
    clips, so that the metrics are those of one process with as many threads, to the last bit.
    ``observe`` is called with the frames that are shown. Raises FleetError where a clip cannot be
    evaluated, or where workers have unlike devices or precisions.
    """
    choices: list[Mapping[str, Any]] = []
    for result in in_order(pool, work.tasks(), progress):
        empty.merge(result.scored)
        for frame in result.shown:
            observe(frame.number, frame.truth, frame.found)
        choices.append(result.computed_with)
    return FleetReport(empty.report(), _common(choices))


def _common(choices: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what workers computed with; raise FleetError where more than processors differ."""
    found: dict[str, Any] = {}
    for name in choices[0]:
        values = sorted({one[name] for one in choices}, key=str)
        if len(values) > 1 and name != 'processor':
            raise FleetError(f'the {name} of the workers is {" or ".join(map(str, values))}; '
                             'metrics need machines that are set up alike')
        found[name] = ', '.join(values) if name == 'processor' else values[0]
    return found
