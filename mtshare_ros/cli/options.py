"""
Options that several commands share: their wording, their completions, how their texts are read.

The shell runs this module whenever TAB is pressed, so it imports neither PyTorch, ROS nor numba.
"""

from pathlib import Path
from typing import Annotated, Any, Callable, Iterable, TYPE_CHECKING

import typer

from mtshare_ros.cli.output import warn
from mtshare_ros.data.rooms.motions import CAMERA_MOTIONS
from mtshare_ros.errors import ConfigError, MtshareError

if TYPE_CHECKING:
    from mtshare_ros.model.manifest import Catalogue

Offer = list[tuple[str, str]]
"""Words with a description each; typer keeps those that begin with what was typed."""


def offer_models() -> Offer:
    """Return the models; where none begins with what was typed, the shell offers files."""
    from mtshare_ros.model.manifest import load_catalogue

    try:
        catalogue = load_catalogue()
    except MtshareError:
        # a message would spoil the prompt; the command itself prints it
        return []
    return [('default', _default(catalogue)), *((name, ', '.join(manifest.models[name].tasks))
                                    for name, manifest in catalogue)]


def _default(catalogue: 'Catalogue') -> str:
    try:
        return catalogue.default
    except MtshareError:
        return ''


def offer_added_models() -> Offer:
    """Return the models that the user added."""
    from mtshare_ros.model.manifest import load_catalogue

    try:
        added = load_catalogue().added
    except MtshareError:
        return []
    return [(name, ', '.join(entry.tasks)) for name, entry in added.models.items()]


def offer_heads() -> Offer:
    """Return the models that ship without their backbone."""
    from mtshare_ros.model.manifest import load_manifest

    try:
        heads = load_manifest().heads
    except MtshareError:
        return []
    return [(name, ', '.join(entry.tasks)) for name, entry in heads.items()]


def offer_tasks() -> Offer:
    """Return the tasks."""
    from mtshare_ros.tasks import TASKS

    return [(name, spec.ros_name) for name, spec in TASKS.items()]


def offer_task_list(incomplete: str) -> Offer:
    """Return the tasks for the last item of a list with commas, without those before it."""
    *given, _ = incomplete.split(',')
    before = ''.join(f'{name},' for name in given)
    return [(before + name, text) for name, text in offer_tasks() if name not in given]


def offering(*words: str) -> Callable[[], list[str]]:
    """Return a completion that offers these words."""
    return lambda: list(words)


HELD_OUT_SEED = 1_100_003
"""A room of the test split: in a room that it was trained on a model looks better than it is."""

MODEL_HELP = 'A model by name (mtshare models list), "default", or a .safetensors file.'

ModelArgument = Annotated[str, typer.Argument(
    metavar='MODEL', help=MODEL_HELP, autocompletion=offer_models)]
ModelOption = Annotated[str, typer.Option(
    '--model', metavar='MODEL', help=MODEL_HELP, autocompletion=offer_models)]
DeviceOption = Annotated[str, typer.Option(
    '--device', metavar='DEVICE', autocompletion=offering('auto', 'cpu', 'cuda', 'cuda:0'),
    help='auto, cpu, cuda or cuda:N; auto takes the GPU where there is one.')]
PrecisionOption = Annotated[str, typer.Option(
    '--precision', metavar='TYPE', autocompletion=offering('auto', 'fp32', 'bf16', 'fp16'),
    help='auto, fp32, bf16 or, on CUDA, fp16.')]
JsonOption = Annotated[Path | None, typer.Option(
    '--json', metavar='FILE', help='Write the results to this file as JSON.')]
SeedOption = Annotated[int, typer.Option(
    '--seed', min=0, max=2**31 - 1, metavar='N',
    help='Room, path and moving objects; 1100000 to 1199999 are rooms no model was trained on.')]
SheetOption = Annotated[Path | None, typer.Option(
    '--sheet', metavar='FILE.png',
    help='Save a picture of some frames with their maps, beside the ground truth where there is '
         'one.')]

TEMPORAL_THRESHOLD = typer.Option(
    '--temporal-threshold', min=0.0, max=10.0, metavar='FACTOR',
    help='Factor on the thresholds over time, 1 by default; 0 computes every token.')
TASK_THRESHOLD = typer.Option(
    '--task-threshold', min=0.0, max=10.0, metavar='FACTOR',
    help="Factor on the thresholds between a sub-task and the base task, 1 by default; 0 reuses "
         "none of the base task's updates.")
REFRESH_PERIOD = typer.Option(
    '--refresh-period', min=1, max=300, metavar='N',
    help='Every token is computed again within N frames, 30 by default.')
TemporalThresholdOption = Annotated[float, TEMPORAL_THRESHOLD]
TaskThresholdOption = Annotated[float, TASK_THRESHOLD]
RefreshPeriodOption = Annotated[int, REFRESH_PERIOD]
TasksOption = Annotated[str | None, typer.Option(
    '--tasks', metavar='TASK,...', autocompletion=offer_task_list,
    help='Only these tasks: semseg, depth, normals, edge.')]


def input_size_option(default: str = 'the size of the model') -> Any:
    """Return the option ``--input-size``; ``default`` says in its help what the default is."""
    return typer.Option(
        '--input-size', metavar='HEIGHTxWIDTH', help='Pixels of the input and of its maps, '
        f'multiples of the patch size of the model (14 or 16). Default: {default}.')


InputSizeOption = Annotated[str | None, input_size_option()]

MOTIONS_HELP = (
    'static, pan, drive or handheld; past fine texture static-textured, pan-2, pan-4, pan-8, '
    'handheld-2, handheld-4 or handheld-8 (pixels a frame at 320 pixels), drive-0.5 or drive-1 '
    '(metres a second)')


def motion_option(text: str, *groups: str) -> Any:
    """Return an option ``--motion``; ``groups`` are names that stand for several motions."""
    names = (*CAMERA_MOTIONS, *groups)

    def check(name: str) -> str:
        if name not in names:
            raise typer.BadParameter(f'{name!r} is not one of {", ".join(names)}')
        return name

    return typer.Option('--motion', metavar='MOTION', parser=check, help=text,
                        autocompletion=offering(*names))


def read_input_size(text: str, option: str = '--input-size') -> tuple[int, int]:
    """Return (height, width) of a text like 240x320; raise ConfigError for any other."""
    from mtshare_ros.model.architecture import check_input_size

    return check_input_size(read_height_width(text, option))


def read_height_width(text: str, option: str) -> tuple[int, int]:
    """Return (height, width) of a text like 240x320, also of one that no network can take."""
    sides = text.lower().split('x')
    if len(sides) != 2 or not all(side.isdecimal() for side in sides):
        raise ConfigError(f'{option} is {text!r}; allowed is HEIGHTxWIDTH, for example 480x640')
    return int(sides[0]), int(sides[1])


def read_list(option: str, text: str | None, allowed: Iterable[str]) -> tuple[str, ...]:
    """Return the names of a text with commas, all of ``allowed`` for None."""
    known = tuple(allowed)
    if text is None:
        return known
    names = tuple(name.strip() for name in text.split(',') if name.strip())
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise ConfigError(f'{option} is {text!r}; allowed is a list, with commas, of '
                          f'{", ".join(known)}')
    return tuple(name for name in known if name in names)


def check_one_of(**options: object) -> None:
    """Refuse options that exclude each other; what was not given is None."""
    given = [f'--{name.replace("_", "-")}' for name, value in options.items() if value is not None]
    if len(given) > 1:
        raise ConfigError(f'{" and ".join(given)} exclude each other; give one of them')


if TYPE_CHECKING:
    from mtshare_ros.inference.engine import Engine


def load_engine(
    model: str, device: str, precision: str, input_size: tuple[int, int] | None = None
) -> 'Engine':
    """Load a model, and print on standard error what its user should know."""
    from mtshare_ros.inference.engine import Engine

    engine = Engine.load(model, device=device, precision=precision, input_size=input_size)
    say_notices(engine)
    return engine


def say_notices(engine: 'Engine') -> None:
    """Print on standard error what the user of a model should know, one line each."""
    for notice in filter(None, (engine.rooms_only_warning, *engine.notices)):
        warn(notice)
