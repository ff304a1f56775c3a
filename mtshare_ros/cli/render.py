"""``mtshare render``: rendered rooms on disk, to replay or to train on."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from mtshare_ros.cli.app import examples, new_app
from mtshare_ros.cli.options import HELD_OUT_SEED, motion_option, MOTIONS_HELP, SeedOption
from mtshare_ros.cli.output import counted, progress_bar
from mtshare_ros.file_paths import check_new_folder, check_parent

app = new_app(no_args_is_help=True, help="""
Render clips and training frames of procedural rooms.

\b
mtshare render clip room.clip --motion drive --seconds 10
mtshare render frames runs/rooms_frames --count 10000
""")


class AnySplit(str, Enum):
    """Disjoint parts of the rooms, by seed."""

    TRAIN = 'train'
    VALIDATION = 'validation'
    TEST = 'test'


WidthOption = Annotated[int, typer.Option(
    min=16, max=4096, metavar='PIXELS', help='Width of the images.')]
HeightOption = Annotated[int, typer.Option(
    min=16, max=4096, metavar='PIXELS', help='Height of the images.')]


@app.command(epilog=examples("""
mtshare render clip room.clip
mtshare render clip tour.clip --motion drive --seed 1100007 --seconds 20
ros2 run mtshare_ros sim_camera_node --ros-args -p clip:=room.clip
"""))
def clip(
    path: Annotated[Path, typer.Argument(metavar='PATH', help='Where the clip goes.')],
    motion: Annotated[str, motion_option(f'How the camera moves: {MOTIONS_HELP}.')] = 'handheld',
    seed: SeedOption = HELD_OUT_SEED,
    seconds: Annotated[float, typer.Option(
        min=0.1, metavar='S', help='Length of the clip.')] = 10.0,
    rate: Annotated[float, typer.Option(
        min=0.1, max=240.0, metavar='HZ', help='Images per second.')] = 30.0,
    width: WidthOption = 320,
    height: HeightOption = 240,
    noise: Annotated[float, typer.Option(
        min=0.0, max=10.0, metavar='F',
        help='Factor on the sensor noise; 0 is a noise-free sensor.')] = 1.0,
) -> None:
    """
    Render a clip with its ground truth.

    The simulated camera can replay it without rendering. An existing clip at PATH is not replaced.
    """
    from mtshare_ros.data.rooms.clips import write_clip
    from mtshare_ros.data.rooms.video import RoomVideo

    check_parent(path)
    video = RoomVideo(seed=seed, motion=motion, height=height, width=width, rate_hz=rate,
                      noise=noise)
    count = max(round(seconds * rate), 1)
    with progress_bar('rendering', count) as progress:
        write_clip(path, counted(map(video.frame, range(count)), progress))
    typer.echo(f'wrote {path}: {count} frames of {height}x{width} (height x width)')


@app.command(epilog=examples("""
mtshare render frames runs/rooms_frames --count 10000
mtshare render frames runs/validation --split validation --count 256
"""))
def frames(
    folder: Annotated[Path, typer.Argument(metavar='FOLDER', help='Where the frames go.')],
    split: Annotated[AnySplit, typer.Option(help='Which rooms.')] = AnySplit.TRAIN,
    count: Annotated[int, typer.Option(min=1, metavar='N', help='How many frames.')] = 10000,
    width: WidthOption = 320,
    height: HeightOption = 240,
    varied: Annotated[float, typer.Option(
        min=0.0, max=1.0, metavar='SHARE',
        help='Share of rooms with other paint and light, wide and narrow cameras in more places, '
             'blurred and badly exposed: for models that are to work on real images.')] = 0.0,
    workers: Annotated[int, typer.Option(
        min=1, metavar='N', help='Processes; the pixels do not depend on it.')] = 1,
) -> None:
    """
    Render training frames into a folder of memory-mapped arrays.

    Stopped at any time, the same command goes on where it was.
    """
    from mtshare_ros.data.rooms.training_frames import render_frames

    check_new_folder(folder)
    with progress_bar('rendering', count) as progress:
        render_frames(folder, split=split.value, count=count, height=height, width=width,
                      varied=varied, workers=workers, progress=lambda done, total: progress(done))
    typer.echo(f'{folder}: {count} frames of {height}x{width} (height x width), {split.value}')
