"""The options of ``mtshare bench``, and how their texts are read."""

from enum import Enum
from typing import Annotated, Iterable

import typer

from mtshare_ros.cli.completion import offer_models, offer_task_list, offering
from mtshare_ros.cli.options import MODEL_HELP, MOTIONS_HELP
from mtshare_ros.errors import ConfigError


class BenchMotion(str, Enum):
    """How the simulated camera moves, or several of them in turn."""

    STATIC = 'static'
    PAN = 'pan'
    DRIVE = 'drive'
    HANDHELD = 'handheld'
    STATIC_TEXTURED = 'static-textured'
    PAN_2 = 'pan-2'
    PAN_4 = 'pan-4'
    PAN_8 = 'pan-8'
    HANDHELD_2 = 'handheld-2'
    HANDHELD_4 = 'handheld-4'
    HANDHELD_8 = 'handheld-8'
    DRIVE_HALF = 'drive-0.5'
    DRIVE_1 = 'drive-1'
    ALL = 'all'
    MOVING = 'moving'

    @property
    def streams(self) -> tuple[str, ...]:
        """The streams of the rooms: of a group, each of its motions."""
        from mtshare_ros.data.rooms.motions import HARDER, PLAIN

        groups = {BenchMotion.ALL: PLAIN, BenchMotion.MOVING: HARDER}
        return tuple(groups[self]) if self in groups else (self.value,)


ModelOption = Annotated[str | None, typer.Option(
    '--model', metavar='MODEL', help=MODEL_HELP, autocompletion=offer_models)]
ArchitectureOption = Annotated[str | None, typer.Option(
    '--architecture', metavar='SHAPE', autocompletion=offering('vit_t', 'vit_s', 'vit_b'),
    help='Instead of a model: vit_t, vit_s or vit_b with random weights.')]
MotionOption = Annotated[BenchMotion, typer.Option(
    '--motion', metavar='MOTION', help=f'How the camera moves: {MOTIONS_HELP}. all: the first '
    'four; moving: the others.')]
FramesOption = Annotated[int, typer.Option(
    '--frames', min=1, metavar='N', help='Counted frames of a motion, spread over the rooms.')]
TasksOption = Annotated[str | None, typer.Option(
    '--tasks', metavar='TASK,...', autocompletion=offer_task_list,
    help='Only these tasks: semseg, depth, normals, edge.')]
SizeOption = Annotated[str | None, typer.Option(
    '--size', metavar='HxW',
    help='Pixels of the input, multiples of the patch size of the model (14 or 16). Default: the '
         'size of the model, which is 240x320 for --architecture.')]
ThresholdOption = Annotated[float, typer.Option(
    '--threshold', min=0.0, max=10.0, metavar='FACTOR',
    help='Factor on all thresholds of sharing; 0 computes every row.')]
RefreshOption = Annotated[int, typer.Option(
    '--refresh-period', min=1, max=300, metavar='N',
    help='Every token is computed again within N frames.')]
BlockOption = Annotated[str | None, typer.Option(
    '--block', metavar='KIND', autocompletion=offering('fast', 'accurate'),
    help='The incremental block: fast or accurate.')]
NoiseOption = Annotated[float, typer.Option(
    '--noise', min=0.0, max=10.0, metavar='FACTOR', help="Factor on the camera's noise.")]
CleanOption = Annotated[bool, typer.Option(
    '--clean', help='Also the difference to the dense outputs of frames without noise.')]
SidesOption = Annotated[str | None, typer.Option(
    '--sides', metavar='SIDE,...', help='Only these sides, say combined,shared_encoder.')]
NthOption = Annotated[int, typer.Option(
    '--nth', min=0, max=30, metavar='N',
    help='Of the sides whose maps are carried along: the network computes every N-th frame. 0: as '
         'often as costs what moving_fused does on average.')]
SharedEncoderOption = Annotated[str | None, typer.Option(
    '--shared-encoder', metavar='MODEL', autocompletion=offer_models,
    help='The model of shared_encoder_nth, with one encoder for all tasks. Default: the model '
         'itself if it is such a one, else one that ships.')]
PrefixOption = Annotated[int | None, typer.Option(
    '--prefix', min=0, metavar='L', help='Random delta weights: blocks that stay shared.')]
DensityOption = Annotated[float | None, typer.Option(
    '--random-deltas', min=0.0, max=1.0, metavar='DENSITY',
    help='Random delta weights: share of the weights above the shared blocks.')]
GranularityOption = Annotated[str | None, typer.Option(
    '--granularity', metavar='KIND', autocompletion=offering('row', 'element'),
    help='Random delta weights: by row or by element.')]
ActiveOption = Annotated[float | None, typer.Option(
    '--active', min=0.001, max=1.0, metavar='FRACTION',
    help='Only the encoder, one task: this share of the rows, given, against all rows.')]
LatencyOption = Annotated[float | None, typer.Option(
    '--latency-target', min=1.0, metavar='MS',
    help='Only the latency target: demand that swings, with and without the target.')]
SystemOption = Annotated[bool, typer.Option(
    '--system', help='Only the parts around it: sets of tasks, renderer, messages.')]
NodeOption = Annotated[bool, typer.Option(
    '--node', help='Only the ROS 2 node: what it adds to the network, over real DDS.')]
NoCompileOption = Annotated[bool, typer.Option(
    '--no-compile', help='Neither compile the dense sides nor try other runtimes for them: '
                         'sooner done, weaker opponents.')]


def read_size(text: str, option: str = '--size') -> tuple[int, int]:
    """Return (height, width) of a text like 240x320; raise ConfigError for any other."""
    from mtshare_ros.model.architecture import check_input_size

    return check_input_size(read_sides(text, option))


def read_sides(text: str, option: str) -> tuple[int, int]:
    """Return (height, width) of a text like 240x320, whatever a network could take."""
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


def check_choices(
    model: str | None, architecture: str | None, active: float | None,
    latency_target: float | None, system: bool, node: bool,
) -> None:
    """Refuse two models, two things to measure, and a node without a model from a file."""
    check_one_of(model=model, architecture=architecture)
    check_one_of(active=active, latency_target=latency_target, system=system or None,
                 node=node or None)
    check_one_of(architecture=architecture, node=node or None)


def check_one_of(**options: object) -> None:
    """Refuse options that exclude each other; what was not given is None."""
    given = [f'--{name.replace("_", "-")}' for name, value in options.items() if value is not None]
    if len(given) > 1:
        raise ConfigError(f'{" and ".join(given)} exclude each other; give one of them')
