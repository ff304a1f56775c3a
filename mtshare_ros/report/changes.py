"""How much better or worse one file's figures are than another's, task by task."""

import math
from statistics import fmean
from typing import Any, Iterable

from mtshare_ros.evaluation.scorer import delta_m
from mtshare_ros.report.files import at, Files
from mtshare_ros.tasks import get_task

DENSE = ('metrics',)
SHARING = ('sharing', 'metrics')
"""Where the figures of dense frames, and of those with sharing, stand in a file."""


def main_figure(report: Any, task: str, place: tuple[str, ...] = DENSE) -> float | None:
    """Return the main metric of a task, None where it was not measured."""
    return at(report, *place, task, get_task(task).metric)


def change(task: str, value: float | None, reference: float | None) -> float | None:
    """Return the relative change of a main metric in per cent, above 0 being better."""
    if value is None or reference is None:
        return None
    metric = get_task(task).metric
    found = delta_m({task: {metric: value}}, {task: {metric: reference}})
    return None if math.isnan(found) else found


def changes_to(
    report: Any, references: Files, names: dict[str, str], place: tuple[str, ...] = DENSE
) -> dict[str, float | None]:
    """Return the changes by task; ``names`` says which file of the references a task's is."""
    return {task: change(task, main_figure(report, task, place),
                         main_figure(references.get(name), task))
            for task, name in names.items()}


def mean_change(changes: Iterable[float | None]) -> float | None:
    """Return their mean, None unless all are known."""
    known = list(changes)
    values = [value for value in known if value is not None]
    return fmean(values) if values and len(values) == len(known) else None
