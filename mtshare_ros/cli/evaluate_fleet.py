"""``mtshare evaluate --fleet``: clips and images are computed by many workers."""

from typing import TYPE_CHECKING

from mtshare_ros.cli.fleet_progress import fleet_progress
from mtshare_ros.cli.output import warn

if TYPE_CHECKING:
    from mtshare_ros.cli.evaluate_outcome import Gallery
    from mtshare_ros.cli.fleet_workers import Workers
    from mtshare_ros.evaluation.clip_evaluation import ClipPlan
    from mtshare_ros.evaluation.datasets import EvaluationSet
    from mtshare_ros.fleet.evaluation_worker import FleetReport
    from mtshare_ros.inference.engine import Engine


def measure_on_fleet(
    workers: 'Workers', engine: 'Engine', data: 'EvaluationSet', plan: 'ClipPlan',
    gallery: 'Gallery',
) -> 'FleetReport':
    """Evaluate with workers; ``engine`` is the same model in this process."""
    from mtshare_ros.evaluation.clip_evaluation import ScoredFrames
    from mtshare_ros.fleet.evaluation_worker import evaluate_with, EvaluationWorkers
    from mtshare_ros.fleet.pool import Pool

    work = EvaluationWorkers(workers.model, tuple(data.clips), plan, gallery.places)
    with Pool(workers.options, work, warn) as pool, fleet_progress(data.length) as progress:
        return evaluate_with(pool, work, ScoredFrames.none(engine, plan), observe=gallery.see,
                             progress=progress.update)
