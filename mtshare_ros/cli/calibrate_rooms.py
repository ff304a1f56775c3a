"""``mtshare calibrate`` on rendered rooms."""

from contextlib import AbstractContextManager, nullcontext
from statistics import fmean
from typing import TYPE_CHECKING

import typer

from mtshare_ros.cli.output import print_table, progress_bar

if TYPE_CHECKING:
    from mtshare_ros.cli.fleet_workers import Workers
    from mtshare_ros.evaluation.calibration import Calibration, CalibrationSettings
    from mtshare_ros.evaluation.measurements import Spread
    from mtshare_ros.evaluation.room_data import CalibrationClips
    from mtshare_ros.inference.engine import Engine

NOTES = """\
temporal   mean threshold of the blocks over time; task: against the base task
noise      difference between dense outputs of one view with two draws of the sensor's noise
added      difference to sharing with thresholds of 0, in the rooms calibrated on
elsewhere  the same in other rooms
ungated    difference of sharing with thresholds of 0 to dense outputs, in the other rooms
to dense   difference of sharing with these thresholds to dense outputs, in the other rooms\
"""


def calibrate_on_rooms(
    engine: 'Engine', plan: 'CalibrationClips', settings: 'CalibrationSettings',
    workers: 'Workers | None',
) -> 'Calibration':
    """Find thresholds on rooms, here or with workers of the same model, and print the result."""
    from mtshare_ros.evaluation.calibration import calibrate, count_frames

    total = count_frames(engine.description.architecture, engine.network_tasks, plan)
    with _measuring(engine, plan, settings, workers) as spread, \
            progress_bar('calibrating', total) as progress:
        found = calibrate(engine, plan, settings, spread, progress)
    _print_result(found, settings)
    return found


def _measuring(
    engine: 'Engine', plan: 'CalibrationClips', settings: 'CalibrationSettings',
    workers: 'Workers | None',
) -> 'AbstractContextManager[Spread]':
    """Return what measures on the clips: workers, or this process, which renders them first."""
    from mtshare_ros.evaluation.measurements import MeasuredHere
    from mtshare_ros.evaluation.output_error import ClipMeter
    from mtshare_ros.evaluation.room_data import render_clips
    from mtshare_ros.fleet.calibration_worker import RoomWorkers

    if workers is not None:
        return workers.measuring(RoomWorkers(workers.model, plan, settings.sharing))
    with progress_bar('rendering', len(plan.specs) * plan.frames) as progress:
        clips = render_clips(plan.specs, frames=plan.frames, size=engine.input_size,
                             progress=progress)
    return nullcontext(MeasuredHere(
        lambda tick: [ClipMeter(engine, clip, settings.sharing, tick) for clip in clips]))


def _print_result(result: 'Calibration', settings: 'CalibrationSettings') -> None:
    rows = []
    for task, thresholds in result.thresholds.items():
        found, check = result.found.errors[task], result.held_out.errors[task]
        rows.append((task, *(f'{value:.4f}' for value in (
            fmean(thresholds.temporal), max(thresholds.task), result.noise[task],
            settings.allowed(result.noise[task]), found.added.p95, check.added.p95,
            check.without.p95, check.total.p95))))
    print_table(
        'Thresholds, and relative errors of the raw outputs (95 % of the frames are better)',
        ('output', 'temporal', 'task', 'noise', 'allowed', 'added', 'elsewhere', 'ungated',
         'to dense'), rows)
    typer.echo(NOTES)
    typer.echo(f'multiply-accumulates done, of dense: {result.found.macs_fraction:.0%} here, '
               f'{result.held_out.macs_fraction:.0%} elsewhere')
    for task, errors in result.held_out.errors.items():
        allowed = settings.allowed(result.noise[task])
        if errors.added.p95 > allowed:
            typer.echo(f'{task}: {errors.added.p95:.4f} elsewhere exceeds {allowed:.4f}; '
                       'give more --rooms, or a smaller --target-error')
