"""``mtshare calibrate`` on bags and videos."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Sequence, TYPE_CHECKING

import typer

from mtshare_ros.cli.output import print_table, progress_bar, warn

if TYPE_CHECKING:
    from mtshare_ros.cli.fleet_workers import Workers
    from mtshare_ros.evaluation.measurements import Spread
    from mtshare_ros.evaluation.recorded_calibration import RecordedCalibration
    from mtshare_ros.inference.engine import Engine
    from mtshare_ros.recording.calibration_frames import CalibrationRecording


def recordings_of(
    bags: Sequence[Path] | None, videos: Sequence[Path] | None, sources: Sequence[str] | None,
    image_topic: str | None,
) -> 'list[CalibrationRecording]':
    """Return the recordings to calibrate on: bags, videos, then what is found for sources."""
    from mtshare_ros.fleet.calibration_worker import FetchedRecording
    from mtshare_ros.fleet.sources.sources import find_sources
    from mtshare_ros.recording.calibration_frames import RecordingChoice

    found = find_sources(sources, {}, warn) if sources else ()
    return [*(RecordingChoice(path.absolute(), True, image_topic) for path in bags or ()),
            *(RecordingChoice(path.absolute(), False) for path in videos or ()),
            *(FetchedRecording(source, image_topic) for source in found)]


def calibrate_on_recordings(
    engine: 'Engine', recordings: 'Sequence[CalibrationRecording]', target_error: float,
    workers: 'Workers | None',
) -> 'RecordedCalibration':
    """Choose refresh period and thresholds, here or with workers, and print what was tried."""
    from mtshare_ros.evaluation.recorded_calibration import calibrate_recorded, count_frames
    from mtshare_ros.recording.calibration_frames import MOST_FRAMES

    names = [recording.name for recording in recordings]
    total = count_frames(MOST_FRAMES * len(names))
    with _measuring(engine, recordings, workers) as spread, \
            progress_bar('calibrating', total) as progress:
        found = calibrate_recorded(engine, names, target_error, spread, progress=progress,
                                   say=warn)
    _print_result(found, target_error)
    return found


def _measuring(
    engine: 'Engine', recordings: 'Sequence[CalibrationRecording]', workers: 'Workers | None'
) -> 'AbstractContextManager[Spread]':
    """Return what measures on the recordings: workers, or this process."""
    from mtshare_ros.evaluation.measurements import MeasuredHere
    from mtshare_ros.fleet.calibration_worker import meter_of, RecordingWorkers

    if workers is not None:
        return workers.measuring(RecordingWorkers(workers.model, tuple(recordings)))
    return nullcontext(MeasuredHere(
        lambda tick: [meter_of(engine, recording, tick, warn) for recording in recordings]))


def _print_result(found: 'RecordedCalibration', target: float) -> None:
    """Print what was tried and what the node needs beside the new model."""
    tasks = list(found.consecutive)
    rows = [(f'{trial.refresh_period}{" *" if trial is found.chosen else ""}',
             f'{trial.factor:.2f}', f'{trial.macs_fraction:.0%}',
             *(f'{trial.errors[task]:.4f}' for task in tasks)) for trial in found.trials]
    rows.append(('dense, to the frame before', '', '100%',
                 *(f'{found.consecutive[task]:.4f}' for task in tasks)))
    print_table(f'Relative difference to dense frames (95 % of the frames are better), at most '
                f'{target:g}; * is chosen',
                ('refresh period', 'factor', 'work', *tasks), rows)
    if max(found.consecutive.values()) < target:
        warn('little changes in what was recorded, so these values may be wrong where more moves; '
             'calibrate on a recording of the camera in use')
    typer.echo('for the node, beside the new model file:\n\n/**:\n  ros__parameters:\n'
               f'    temporal.refresh_period: {found.chosen.refresh_period}\n')
