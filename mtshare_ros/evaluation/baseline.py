"""The figures that a model is compared with, from the reports of earlier evaluations."""

from dataclasses import dataclass, field
import json
from pathlib import Path
from typing import Any, Mapping, Sequence

from mtshare_ros.errors import ConfigError
from mtshare_ros.evaluation.delta_m import delta_m
from mtshare_ros.evaluation.evaluate import Metrics
from mtshare_ros.tasks import get_task, TASKS


@dataclass(frozen=True)
class Change:
    """Relative changes of the main metrics in per cent, above 0 being better."""

    delta_m: float
    by_task: dict[str, float]

    @classmethod
    def between(cls, metrics: Metrics, baseline: Metrics) -> 'Change':
        """Return how much better ``metrics`` are than ``baseline``, task by task and in all."""
        return cls(delta_m(metrics, baseline), {
            task: delta_m({task: figures}, baseline) for task, figures in metrics.items()})


@dataclass(frozen=True)
class Baseline:
    """Figures by task, and the file that each task's come from."""

    metrics: Metrics = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)


def read_baseline(
    words: Sequence[str], tasks: Sequence[str], measured: Mapping[str, Any]
) -> Baseline:
    """
    Read the figures of ``tasks`` from reports of ``mtshare evaluate --json``.

    A word is FILE, which gives all of them it holds, or TASK=FILE, which gives one. ``measured``
    is what a report says of its data; another one does not compare. Raises ConfigError for a file
    that is no such report, a task that is in none or in several, and other data.
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
            metrics[name] = _figures(file, report['metrics'], name)
            files[name] = file
    absent = [task for task in tasks if task not in files]
    if words and absent:
        raise ConfigError(f'no --baseline holds figures of {absent[0]!r}, which this model is '
                          f'scored for; add --baseline {absent[0]}=FILE')
    return Baseline(metrics, files)


def _figures(file: str, metrics: Metrics, task: str) -> dict[str, float]:
    if not isinstance(metrics.get(task, {}).get(get_task(task).metric), (int, float)):
        raise ConfigError(f'--baseline: {file} holds no figures of {task!r}; it has those of '
                          f'{", ".join(metrics)}')
    return metrics[task]


def _read(path: Path) -> dict[str, Any]:
    try:
        report = json.loads(path.read_text())
        if all(isinstance(figures, dict) for figures in report['metrics'].values()):
            return report
    except OSError as error:
        raise ConfigError(f'--baseline: {path} cannot be read: {error.strerror}') from error
    except (AttributeError, KeyError, TypeError, ValueError):
        pass
    raise ConfigError(f'--baseline: {path} is no report of figures; write one with: '
                      'mtshare evaluate MODEL --json FILE')


def _check_data(file: str, report: Mapping[str, Any], measured: Mapping[str, Any]) -> None:
    for key, value in measured.items():
        if report.get(key, value) != value:
            raise ConfigError(
                f'--baseline: {file} was measured on {key} {report[key]!r}, this is {value!r}; '
                'evaluate both on the same data')
