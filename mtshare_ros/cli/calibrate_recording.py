"""``mtshare calibrate`` on bags and videos."""

from pathlib import Path
from typing import Sequence, TYPE_CHECKING

import typer

from mtshare_ros.cli.output import print_table, progress_bar
from mtshare_ros.cli.recordings import warn

if TYPE_CHECKING:
    from mtshare_ros.evaluation.recorded_calibration import RecordedCalibration
    from mtshare_ros.inference.engine import Engine
    from mtshare_ros.recording.calibration_frames import RecordingChoice


def recordings_of(
    bags: Sequence[Path] | None, videos: Sequence[Path] | None, image_topic: str | None
) -> 'tuple[RecordingChoice, ...]':
    """Return the recordings to calibrate on, the bags before the videos."""
    from mtshare_ros.recording.calibration_frames import RecordingChoice

    return (*(RecordingChoice(path.absolute(), True, image_topic) for path in bags or ()),
            *(RecordingChoice(path.absolute(), False) for path in videos or ()))


def calibrate_on(
    engine: 'Engine', recordings: 'Sequence[RecordingChoice]', target_error: float
) -> 'RecordedCalibration':
    """Choose refresh period and thresholds on recordings."""
    from mtshare_ros.evaluation.measurements import MeasuredHere
    from mtshare_ros.evaluation.recorded_calibration import (
        calibrate_recorded,
        count_frames,
        RecordingMeter,
    )

    films = [recording.frames(engine.input_size, warn) for recording in recordings]
    names = [recording.path.name for recording in recordings]
    spread = MeasuredHere(lambda tick: [RecordingMeter(engine, images, name, tick)
                                        for images, name in zip(films, names)])
    with progress_bar('calibrating', count_frames(sum(map(len, films)))) as progress:
        return calibrate_recorded(engine, names, target_error, spread, progress)


def print_recorded(found: 'RecordedCalibration', target: float) -> None:
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
