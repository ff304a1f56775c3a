"""``mtshare demo``: runs a camera and the perception node, and shows their outputs."""

from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
import os
from pathlib import Path
import socket
import tempfile
from typing import Annotated, Iterator, TYPE_CHECKING

import typer

from mtshare_ros.cli.node_process import (
    ChildProcess,
    prepare_environment,
    require_ros,
    start_node,
    stop_all,
)
from mtshare_ros.cli.options import (
    DeviceOption,
    HELD_OUT_SEED,
    JsonOption,
    ModelOption,
    motion_option,
    MOTIONS_HELP,
    SeedOption,
    SheetOption,
)
from mtshare_ros.cli.output import (
    check_folder,
    check_picture_path,
    save_picture,
    StopRequest,
    warn,
    write_json,
)
from mtshare_ros.errors import MtshareError
from mtshare_ros.tasks import LabelSet, load_labels

if TYPE_CHECKING:
    from mtshare_ros.cli.demo_session import DemoSession

NAMESPACE = '/demo'
ROOM_LABELS = 'nyu40'
"""The classes of rendered rooms, and so of the ground truth."""

EXAMPLES = """
mtshare demo
mtshare demo --duration 0 --motion drive --seed 1100007
mtshare demo --sheet maps.png --json demo.json
mtshare demo --model my.safetensors --rate 10
mtshare demo --duration 0 --port 8081
mtshare demo --video 0 --duration 0
mtshare demo --video walk.mp4 --sheet maps.png
"""

_ADDRESS = '127.0.0.1'
_PORTS = range(8080, 8180)

VideoOption = Annotated[str | None, typer.Option(
    '--video', metavar='FILE|CAMERA',
    help='Show this instead of a rendered room: a video file, which is shown repeatedly, a '
         'folder of images, the number of a camera, or the address of a stream.')]
MotionOption = Annotated[str | None, motion_option(
    f'How the camera moves: {MOTIONS_HELP}. Default: handheld.')]
RateOption = Annotated[float | None, typer.Option(
    '--rate', min=0.1, max=240.0, metavar='HZ',
    help='Images per second of the camera. Default: 30, or those of --video.')]


@dataclass(frozen=True)
class DemoOptions:
    """
    What the demo shows and how long; with ``duration_s`` 0 it runs until Ctrl-C.

    ``video`` is shown instead of a rendered room; a ``rate_hz`` of 0 is the video's own. ``sheet``
    says that frames are kept for a picture. ``dashboard_port`` is None without a dashboard.
    """

    duration_s: float
    motion: str
    seed: int
    rate_hz: float
    model: str
    device: str
    sheet: bool
    dashboard_port: int | None
    video: str | None = None

    @property
    def camera(self) -> str:
        """The source of the images, in words."""
        rate = f' at {self.rate_hz:g} Hz' if self.rate_hz else ''
        if self.video is not None:
            return f'{self.video}{rate}'
        return f'room {self.seed}, camera {self.motion}{rate}'


def demo(
    duration: Annotated[float, typer.Option(
        min=0.0, metavar='S', help='Seconds from the first map on; 0 runs until Ctrl-C.')] = 20.0,
    video: VideoOption = None,
    motion: MotionOption = None,
    seed: SeedOption = HELD_OUT_SEED,
    rate: RateOption = None,
    model: ModelOption = 'default',
    device: DeviceOption = 'auto',
    dashboard: Annotated[bool, typer.Option(
        help='Show the maps in the browser, too.')] = True,
    port: Annotated[int | None, typer.Option(
        min=1, max=65535, metavar='N',
        help='Port of the dashboard; the first free one from 8080 on.')] = None,
    json: JsonOption = None,
    sheet: SheetOption = None,
) -> None:
    """
    Show the node at work, with a simulated camera or a video.

    Starts a camera node and perception_node as processes over real DDS, subscribes to all outputs,
    shows rates and ages, and ends with a summary, also after Ctrl-C. A dashboard for the browser
    runs beside them, for this machine only. Neither network nor display are needed. The nodes use
    the namespace /demo and, unless ROS_DOMAIN_ID is set, a ROS domain of their own.
    """
    from mtshare_ros.model.manifest import load_manifest

    check_picture_path(sheet)
    check_folder(json)
    require_ros()
    if video is not None:
        _check_video(video, motion)
        shown, labels = model, _labels_of(model)
    else:
        # the shipped default was trained on rooms; the user's may lack their classes
        shown = load_manifest().default if model == 'default' else model
        labels = load_labels(ROOM_LABELS)
    options = DemoOptions(
        duration, motion or 'handheld', seed, rate or (0.0 if video else 30.0), shown, device,
        sheet is not None, choose_port(port) if dashboard else None, video)
    with _running(options) as session:
        from mtshare_ros.cli.demo_session import print_summary, show

        show(session, options)
        results = session.results()
    print_summary(results)
    write_json(json, results)
    if sheet is not None:
        _save_sheet(session, sheet, labels)
    _say_what_next(model, video)


def _check_video(video: str, motion: str | None) -> None:
    """Refuse a video that cannot be read, before nodes are started; cameras are not opened."""
    from mtshare_ros.recording.frame_sources import is_camera, open_source

    if motion is not None:
        raise typer.BadParameter('it moves the simulated camera, which --video replaces: '
                                 'leave one of them out', param_hint='--motion')
    if not is_camera(video):
        open_source([video])


def _labels_of(model: str) -> LabelSet:
    """Return the classes of a model; warn if it was trained on rendered rooms only."""
    from mtshare_ros.inference.model_facts import rooms_only_warning
    from mtshare_ros.model.file_description import read_description
    from mtshare_ros.model.manifest import find_model

    description = read_description(find_model(model).path)
    if warning := rooms_only_warning(description):
        warn(warning)
    return description.labels


@contextmanager
def _running(options: DemoOptions) -> Iterator['DemoSession']:
    """Start the nodes, yield the session that watches them, and end them in any case."""
    from mtshare_ros.nodes.node_environment import RENDERED_CAMERA

    if options.video is None:
        os.environ[RENDERED_CAMERA] = '1'
    lock = prepare_environment()
    processes: list[ChildProcess] = []
    with StopRequest() as stop, tempfile.TemporaryDirectory(prefix='mtshare_demo_') as folder:
        try:
            for module, parameters in _nodes(options).items():
                processes.append(start_node(
                    module, namespace=NAMESPACE, parameters=parameters, folder=Path(folder)))
            # imported here, while the nodes load, so that the first maps come sooner
            from mtshare_ros.cli.demo_session import DemoSession
            from mtshare_ros.nodes.trials.demo_monitor import DemoWatch, SetCollector

            collector = SetCollector(truth=options.video is None) if options.sheet else None
            with DemoWatch(namespace=NAMESPACE, collector=collector) as watch:
                yield DemoSession(processes, watch, stop)
        finally:
            stop_all(processes)
            if lock is not None:
                lock.close()


def _nodes(options: DemoOptions) -> dict[str, dict[str, object]]:
    """Return the parameters of each node by its executable, the slowest to start first."""
    port = options.dashboard_port
    return {
        'perception_node': {'model': options.model, 'device': options.device},
        **_camera_node(options),
        **({'dashboard_node': {'port': port}} if port is not None else {}),
    }


def _camera_node(options: DemoOptions) -> dict[str, dict[str, object]]:
    rate = float(options.rate_hz)
    if options.video is not None:
        # without retries, a camera that cannot be opened ends the demo at once, with the reason
        return {'video_camera_node': {'video': options.video, 'rate': rate, 'retry_period': 0.0}}
    return {'sim_camera_node': {
        'width': 320, 'height': 240, 'rate': rate, 'motion': options.motion,
        'seed': options.seed, 'ground_truth': options.sheet,
    }}


def _save_sheet(session: 'DemoSession', path: Path, labels: LabelSet) -> None:
    from mtshare_ros.inference.contact_sheet import draw_contact_sheet

    rows = session.sheet_rows()
    if not rows:
        typer.echo('no frame came with all its maps, so there is no sheet; '
                   'let the demo run longer or lower --rate', err=True)
        raise typer.Exit(1)
    save_picture(path, draw_contact_sheet(rows, labels))


def _say_what_next(model: str, video: str | None) -> None:
    source = 'image:=/camera/image' if video is None else f'video:={video}'
    argument = '' if model == 'default' else f' model:={model}'
    typer.echo(
        '\nNext, with ROS 2 sourced and this package installed:\n'
        f'  ros2 launch mtshare_ros perception.launch.py {source}{argument}')
    if video is None:
        typer.echo('  ros2 launch mtshare_ros demo.launch.py rviz:=true        '
                   'the same demo in rviz2')


def choose_port(wanted: int | None) -> int | None:
    """
    Return the port of the dashboard, the first free one for None, and print its address.

    Without its libraries, prints that and returns None. Raises MtshareError if no port is free.
    """
    if find_spec('tornado') is None or find_spec('PIL') is None:
        typer.echo("no dashboard: tornado or Pillow is not installed: "
                   "pip install 'mtshare_ros[dashboard]'", err=True)
        return None
    port = wanted or _first_free_port()
    typer.echo(f'dashboard: http://{_ADDRESS}:{port}/   (--duration 0 keeps it open)')
    return port


def _first_free_port() -> int:
    for port in _PORTS:
        if _is_free(port):
            return port
    raise MtshareError(
        f'all ports from {_PORTS[0]} to {_PORTS[-1]} are in use; name another one with --port, or '
        'go without the dashboard: --no-dashboard')


def _is_free(port: int) -> bool:
    with socket.socket() as trial:
        # as the server does: a connection that has just ended does not block the port
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((_ADDRESS, port))
        except OSError:
            return False
    return True
