"""``mtshare calibrate --fleet``: clips and recordings are measured by many workers."""

from contextlib import contextmanager
from typing import Any, Callable, Iterator, Sequence, TYPE_CHECKING

from mtshare_ros.cli.output import progress_bar, warn

if TYPE_CHECKING:
    from mtshare_ros.cli.fleet_workers import Workers
    from mtshare_ros.evaluation.calibration import Calibration, CalibrationSettings
    from mtshare_ros.evaluation.recorded_calibration import RecordedCalibration
    from mtshare_ros.evaluation.room_data import CalibrationClips
    from mtshare_ros.fleet.calibration_worker import PoolSpread
    from mtshare_ros.inference.engine import Engine
    from mtshare_ros.recording.calibration_frames import CalibrationRecording


def calibrate_on_fleet(
    workers: 'Workers', engine: 'Engine', plan: 'CalibrationClips',
    settings: 'CalibrationSettings',
) -> 'Calibration':
    """Find thresholds on rooms with workers; ``engine`` is the same model in this process."""
    from mtshare_ros.evaluation.calibration import calibrate, count_frames
    from mtshare_ros.fleet.calibration_worker import RoomWorkers

    total = count_frames(engine.description.architecture, engine.network_tasks, plan)
    work = RoomWorkers(workers.model, plan, settings.sharing)
    with _spread(workers, work, total) as (spread, progress):
        return calibrate(engine, plan, settings, spread, progress)


def calibrate_recorded_on_fleet(
    workers: 'Workers', engine: 'Engine', recordings: 'Sequence[CalibrationRecording]',
    target_error: float,
) -> 'RecordedCalibration':
    """Choose refresh period and thresholds on recordings with workers."""
    from mtshare_ros.evaluation.recorded_calibration import calibrate_recorded, count_frames
    from mtshare_ros.fleet.calibration_worker import RecordingWorkers
    from mtshare_ros.recording.calibration_frames import MOST_FRAMES

    total = count_frames(MOST_FRAMES * len(recordings))
    work = RecordingWorkers(workers.model, tuple(recordings))
    with _spread(workers, work, total) as (spread, progress):
        return calibrate_recorded(engine, work.names, target_error, spread, progress=progress,
                                  say=warn)


@contextmanager
def _spread(
    workers: 'Workers', work: Any, total: int
) -> 'Iterator[tuple[PoolSpread, Callable[[int], None]]]':
    """Yield what spreads measurements over workers that ``work`` makes, and what shows frames."""
    from mtshare_ros.fleet.calibration_worker import PoolSpread
    from mtshare_ros.fleet.pool import Pool

    with Pool(workers.options, work, warn) as pool, progress_bar('calibrating', total) as progress:
        yield PoolSpread(pool, work.names, warn), progress
