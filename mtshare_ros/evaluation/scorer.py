"""The metrics of a model over frames with truth, and how they compare with those of a baseline."""

from dataclasses import dataclass, field
import json
from pathlib import Path
from typing import Any, Callable, Iterable, Mapping, Sequence

import numpy as np

from mtshare_ros.errors import ConfigError, DatasetError
from mtshare_ros.evaluation.metrics import make_metric, MetricRules, ROOMS_RULES
from mtshare_ros.evaluation.truth_and_rules import bring_to_scale, camera_of, Truth, truth_of
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.prediction import InferenceSettings, Prediction
from mtshare_ros.tasks import get_task, TASKS

Metrics = dict[str, dict[str, float]]
"""Metrics by task id and by the name of the metric."""


class Scorer:
    """
    Computes the metrics of some tasks, frame by frame.

    ``class_count`` is the number of labels; ``first`` is the number of the first frame, for
    errors. Scorers of parts of the frames merge as metrics do.
    """

    def __init__(
        self, tasks: Sequence[str], class_count: int, rules: MetricRules = ROOMS_RULES,
        first: int = 0,
    ) -> None:
        self._metrics = {task: make_metric(task, class_count, rules) for task in tasks}
        self._first = first
        self.frames = 0

    def add(self, prediction: Prediction, truth: Truth) -> None:
        """
        Score a frame's maps, whose depth is in metres of its camera.

        Raises DatasetError where the truth has another size than the maps.
        """
        _check_size(truth, prediction.framing.input_size, self._first + self.frames)
        for metric in self._metrics.values():
            metric.update(prediction, truth)
        self.frames += 1

    def merge(self, other: 'Scorer') -> None:
        """Add the frames of another scorer, which follow those of this one."""
        for task, metric in other._metrics.items():
            self._metrics[task].merge(metric)
        self.frames += other.frames

    def metrics(self) -> Metrics:
        """Return the metrics of all frames by task; raise DatasetError without any frames."""
        if self.frames == 0:
            raise DatasetError('there are no frames to evaluate; at least one is needed')
        return {task: metric.result() for task, metric in self._metrics.items()}


def evaluate(
    engine: Engine,
    frames: Iterable[Truth],
    *,
    tasks: Sequence[str] | None = None,
    rules: MetricRules = ROOMS_RULES,
    progress: Callable[[int], None] | None = None,
) -> Metrics:
    """
    Return the metrics over all frames, each computed from its pixels alone.

    ``tasks`` None means all tasks of the model. ``progress`` is called with the number of frames
    done. Raises DatasetError where there are no frames, or where one has another size than the
    engine's maps.
    """
    settings = InferenceSettings(engine.tasks if tasks is None else tuple(tasks))
    scorer = Scorer(settings.tasks, len(engine.labels), rules)
    for truth in frames:
        prediction = engine.infer(truth.image, None, settings, camera_of(truth))
        bring_to_scale(engine, prediction, truth)
        scorer.add(prediction, truth)
        if progress is not None:
            progress(scorer.frames)
    return scorer.metrics()


def _check_size(truth: Truth, expected: tuple[int, int], number: int) -> None:
    maps: dict[str, np.ndarray | None] = {'image': truth.image}
    maps.update((spec.truth, truth_of(truth, task)) for task, spec in TASKS.items())
    for name, values in maps.items():
        if values is not None and tuple(values.shape[:2]) != tuple(expected):
            height, width = values.shape[:2]
            raise DatasetError(
                f'frame {number}: {name} is {height}x{width} (height x width), the maps of '
                f'the model are {expected[0]}x{expected[1]}; render or crop the data to that size'
            )


def delta_m(metrics: Metrics, baseline: Metrics, *, skip_missing: bool = False) -> float:
    """
    Return the mean over tasks of the relative change of the main metric, in per cent.

    Above 0 is better than the baseline, also for metrics of which lower is better: (1 / T) sum of
    s (M - B) / B x 100, with s = -1 where lower is better (Maninis et al., CVPR 2019, equation 4).
    NaN where a baseline is 0 or missing; ``skip_missing`` leaves out tasks without a baseline.
    """
    tasks = [task for task in metrics if task in baseline or not skip_missing]
    changes = [_change(task, metrics[task], baseline.get(task, {})) for task in tasks]
    return sum(changes) / len(changes) if changes else float('nan')


def _change(task: str, found: dict[str, float], baseline: dict[str, float]) -> float:
    spec = get_task(task)
    before = baseline.get(spec.metric, float('nan'))
    if before == 0:
        return float('nan')
    change = 100 * (found[spec.metric] - before) / before
    return change if spec.higher_is_better else -change


@dataclass(frozen=True)
class Change:
    """Relative changes of the main metrics in per cent, above 0 being better."""

    delta_m: float
    by_task: dict[str, float]

    @classmethod
    def between(cls, metrics: Metrics, baseline: Metrics) -> 'Change':
        """Return how much better ``metrics`` are than ``baseline``, by task and as the mean."""
        return cls(delta_m(metrics, baseline), {
            task: delta_m({task: found}, baseline) for task, found in metrics.items()})


@dataclass(frozen=True)
class Baseline:
    """Metrics of a baseline by task, and the file that each task's metrics were read from."""

    metrics: Metrics = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)


def read_baseline(
    words: Sequence[str], tasks: Sequence[str], measured: Mapping[str, Any]
) -> Baseline:
    """
    Read the metrics of ``tasks`` from reports of ``mtshare evaluate --json``.

    Each of ``words`` is FILE, for all tasks in that file, or TASK=FILE, for one. ``measured``
    describes the data of this evaluation; a report on other data is refused. Raises ConfigError
    for a file that is no such report, a task that is in none or in several, and other data.
    """
    metrics: Metrics = {}
    files: dict[str, str] = {}
    for word in words:
        head, _, tail = word.partition('=')
        task, file = (head, tail) if head in TASKS else (None, word)
        report = _read(Path(file))
        _check_data(file, report, measured)
        held = [name for name in tasks if name in report['metrics']]
        for name in [task] if task else held:
            if name in files:
                raise ConfigError(f'--baseline: {name!r} is in both {files[name]} and {file}; '
                                  'say which one counts: TASK=FILE for every task')
            metrics[name] = _metrics_of(file, report['metrics'], name)
            files[name] = file
    absent = [task for task in tasks if task not in files]
    if words and absent:
        raise ConfigError(f'no --baseline holds metrics of {absent[0]!r}, which this model is '
                          f'scored for; add --baseline {absent[0]}=FILE')
    return Baseline(metrics, files)


def _metrics_of(file: str, metrics: Metrics, task: str) -> dict[str, float]:
    if not isinstance(metrics.get(task, {}).get(get_task(task).metric), (int, float)):
        raise ConfigError(f'--baseline: {file} holds no metrics of {task!r}; it has those of '
                          f'{", ".join(metrics)}')
    return metrics[task]


def _read(path: Path) -> dict[str, Any]:
    try:
        report = json.loads(path.read_text(encoding='utf-8'))
        if all(isinstance(found, dict) for found in report['metrics'].values()):
            return report
    except OSError as error:
        raise ConfigError(f'--baseline: {path} cannot be read: {error.strerror}') from error
    except (AttributeError, KeyError, TypeError, ValueError):
        pass
    raise ConfigError(f'--baseline: {path} is no report with metrics; write one with: '
                      'mtshare evaluate MODEL --json FILE')


def _check_data(file: str, report: Mapping[str, Any], measured: Mapping[str, Any]) -> None:
    for key, value in measured.items():
        if report.get(key, value) != value:
            raise ConfigError(
                f'--baseline: {file} was measured on {key} {report[key]!r}, this is {value!r}; '
                'evaluate both on the same data')
