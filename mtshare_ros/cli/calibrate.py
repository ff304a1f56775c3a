"""``mtshare calibrate``: thresholds that keep a stated output error."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, TYPE_CHECKING

import typer

from mtshare_ros.cli.calibrate_recordings import calibrate_on_recordings, recordings_of
from mtshare_ros.cli.calibrate_rooms import calibrate_on_rooms
from mtshare_ros.cli.fleet_options import (
    AddressOption,
    fleet_of,
    FleetOption,
    WorkerGpusOption,
    WorkersOption,
    WorkerThreadsOption,
)
from mtshare_ros.cli.fleet_workers import ModelChoice
from mtshare_ros.cli.options import (
    DeviceOption,
    JsonOption,
    ModelArgument,
    PrecisionOption,
)
from mtshare_ros.cli.output import check_folder, write_json

if TYPE_CHECKING:
    from mtshare_ros.evaluation.calibration import Calibration
    from mtshare_ros.evaluation.recorded_calibration import RecordedCalibration
    from mtshare_ros.inference.engine import Engine
    from mtshare_ros.model.description import ModelDescription
    from mtshare_ros.model.manifest import ManifestEntry, ModelFile

SourcesArgument = Annotated[list[str] | None, typer.Argument(
    metavar='SOURCES', show_default=False,
    help='Calibrate on these recordings instead of rooms: bags, videos, folders of them, globs, '
         'addresses in object storage.')]
ErrorOption = Annotated[float, typer.Option(
    metavar='E', help='Relative error that thresholds may add to a raw output, in 95 % of the '
                      'frames; on a recording, the difference to dense frames.')]
ShareOption = Annotated[float, typer.Option(
    metavar='S', help="Share of that error for thresholds over time; the rest is for reuse of "
                      "the base task's updates.")]
RoomsOption = Annotated[int, typer.Option(
    min=1, metavar='N', help='Rooms to calibrate on, one clip each, the motions in turn; the '
                             'result is checked in as many others.')]
FramesOption = Annotated[int, typer.Option(
    min=2, metavar='N', help='Frames of a clip; more than the refresh period.')]
BagOption = Annotated[list[Path] | None, typer.Option(
    metavar='BAG', help='Calibrate on this bag instead of rooms; several times, also with '
                        '--video, for the frames of all of them.')]
VideoOption = Annotated[list[Path] | None, typer.Option(
    metavar='FILE', help='Calibrate on this video instead of rooms; several times as well.')]
ImageTopicOption = Annotated[str | None, typer.Option(
    metavar='TOPIC', help='The images of the bags, where they have several.')]
OutputOption = Annotated[Path | None, typer.Option(
    metavar='FILE', help='The new model file; it must not exist yet. Default: '
                         'NAME_calibrated.safetensors in this folder.')]
RegisterOption = Annotated[str | None, typer.Option(
    metavar='NAME', help='Keep the new file among your models under this name, or in place of '
                         'the shipped model of that name.')]

EXAMPLES = """
mtshare calibrate default
mtshare calibrate my.safetensors --target-error 0.03 --output my_exact.safetensors
mtshare calibrate default --register rooms_calibrated
mtshare calibrate default --video street.mp4 --target-error 0.2
mtshare calibrate default --bag monday --bag tuesday --target-error 0.2
mtshare calibrate default --rooms 32 --fleet
mtshare calibrate default recordings s3://robots/2026-11 --fleet --address auto
"""


def calibrate(
    model: ModelArgument = 'default', sources: SourcesArgument = None,
    target_error: ErrorOption = 0.05,
    temporal_share: ShareOption = 0.75,
    rooms: RoomsOption = 8,
    frames: FramesOption = 48,
    bag: BagOption = None, video: VideoOption = None, image_topic: ImageTopicOption = None,
    output: OutputOption = None, register: RegisterOption = None,
    device: DeviceOption = 'auto', precision: PrecisionOption = 'auto',
    fleet: FleetOption = False, workers: WorkersOption = None, address: AddressOption = None,
    gpus_per_worker: WorkerGpusOption = None, threads: WorkerThreadsOption = None,
    json: JsonOption = None,
) -> None:
    """
    Find thresholds for the token gates that keep a stated output error.

    A token is computed again when it changed by more than a threshold. For every task, this finds
    the largest thresholds that add at most the target to the error of its raw output in 95 % of
    the frames (or as much as the sensor's noise adds, if that is more), on rendered clips of
    validation rooms, with all sharing on. The result goes to a new file, the model's is not
    changed; its entry for models/manifest.yaml is printed. The share of active tokens above which
    a whole frame is faster on this device is timed, too: close other programs before.

    Of recordings (SOURCES, --bag, --video) it finds the refresh period and the factor on the
    thresholds over time that keep the difference to dense frames with least work, in 95 % of the
    frames of all recordings together.
    """
    from mtshare_ros.evaluation.calibration import CalibrationSettings
    from mtshare_ros.evaluation.room_data import plan_clips
    from mtshare_ros.model.manifest import find_model

    settings, plan = CalibrationSettings(target_error, temporal_share), plan_clips(rooms, frames)
    recordings = recordings_of(bag, video, sources, image_topic)
    check_folder(json)
    target = _target(file := find_model(model), output, register)
    choice = ModelChoice(model, device, precision)
    team = choice.workers(fleet_of(
        fleet, workers, address, gpus_per_worker, threads, device))
    engine = choice.load(team)
    result = calibrate_on_recordings(engine, recordings, target_error, team) if recordings else \
        calibrate_on_rooms(engine, plan, settings, team)
    crossovers = _measure_crossover(engine)
    entry = _save(file, replace(engine.description, crossovers=crossovers), target, result)
    _carry_quality(engine, target)
    write_json(json, {'model': file.name, 'output': str(target), 'device': engine.device,
                      'target_error': target_error, 'crossovers': crossovers,
                      **asdict(result)})
    _offer(register or target.stem, entry, target.parent if register is not None else None)


def _target(file: 'ModelFile', output: Path | None, register: str | None) -> Path:
    """Return the path of the new model; refuse one that cannot be written, before any work."""
    from mtshare_ros.errors import ConfigError
    from mtshare_ros.file_paths import check_parent
    from mtshare_ros.model.checkpoint import check_new
    from mtshare_ros.model.registration import check_name, folder_for

    target = output or Path(f'{file.name}_calibrated.safetensors')
    if register is not None:
        check_name(register)
        folder = folder_for(register)
        target = output or folder / f'{register}.safetensors'
        if target.resolve().parent != folder.resolve():
            raise ConfigError(
                f'--output is {output}; a registered model is kept beside its manifest: give '
                f'a file in {folder}, or leave --output out')
        folder.mkdir(parents=True, exist_ok=True)
    check_new(target)
    check_parent(target)
    return target


def _measure_crossover(engine: 'Engine') -> dict[str, float]:
    """Return the crossovers of the model by type of device, with that of this one measured."""
    kind, share = engine.device.partition(':')[0], round(engine.costs.crossover, 2)
    typer.echo(f'on this {kind} a whole frame is faster where more than {share:.0%} of the tokens '
               'are active')
    return {**engine.description.crossovers, kind: share}


def _save(
    file: 'ModelFile', description: 'ModelDescription', target: Path,
    result: 'Calibration | RecordedCalibration',
) -> 'ManifestEntry':
    from mtshare_ros.model.checkpoint import save_described_anew
    from mtshare_ros.model.manifest import load_catalogue
    from mtshare_ros.model.registration import describe_file, UNSTATED

    description = replace(description, thresholds=result.thresholds, calibration=result.sentence)
    save_described_anew(file.path, target, description)
    typer.echo(f'wrote {target}')
    manifest = dict(load_catalogue()).get(file.name)
    source = manifest and manifest.models[file.name]
    return describe_file(
        target, description, licence=source.licence if source else UNSTATED,
        text=source.description if source else description.trained_on)


def _carry_quality(engine: 'Engine', target: Path) -> None:
    """Copy the metrics of dense frames, which thresholds do not change, to the new model."""
    from mtshare_ros.model.manifest import find_model
    from mtshare_ros.model.quality import store_quality

    for known in engine.quality:
        store_quality(find_model(str(target)), known)


def _offer(name: str, entry: 'ManifestEntry', folder: Path | None) -> None:
    """Print the manifest entry; write it to the manifest of a folder, if there is one."""
    from mtshare_ros.model.registration import entry_text, register

    typer.echo(f'\nentry for models/manifest.yaml:\n{entry_text(name, entry)}')
    if folder is not None:
        typer.echo(f'registered in {register(name, entry, folder)}')
