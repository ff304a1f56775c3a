"""``mtshare demo``: both nodes in processes of their own over real DDS, watched from outside."""

from contextlib import contextmanager
import os
from pathlib import Path
import tempfile
from typing import Annotated, Iterator, TYPE_CHECKING

import typer

from mtshare_ros.cli.demo_dashboard import choose_port
from mtshare_ros.cli.demo_options import DemoOptions
from mtshare_ros.cli.options import (
    DeviceOption,
    HELD_OUT_SEED,
    JsonOption,
    ModelOption,
    Motion,
    SeedOption,
    SheetOption,
)
from mtshare_ros.cli.output import check_folder, check_picture_path, write_json

if TYPE_CHECKING:
    from mtshare_ros.cli.demo_session import DemoSession

NAMESPACE = '/demo'

EXAMPLES = """
mtshare demo
mtshare demo --duration 0 --motion drive --seed 1100007
mtshare demo --sheet maps.png --json figures.json
mtshare demo --model my.safetensors --rate 10
mtshare demo --duration 0 --port 8081
"""


def demo(
    duration: Annotated[float, typer.Option(
        min=0.0, metavar='S', help='Seconds from the first map on; 0 runs until Ctrl-C.')] = 20.0,
    motion: Annotated[Motion, typer.Option(help='How the camera moves.')] = Motion.HANDHELD,
    seed: SeedOption = HELD_OUT_SEED,
    rate: Annotated[float, typer.Option(
        min=0.1, max=240.0, metavar='HZ', help='Images per second of the camera.')] = 30.0,
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
    Show the whole thing at work: a simulated camera through the real node.

    Starts sim_camera_node and perception_node as separate processes over real DDS, subscribes to
    every output, shows rates and ages while they run, and ends with a summary. A dashboard for
    the browser runs beside them, for this machine only. It needs neither network nor display.
    Ctrl-C ends it at any time, with the summary. The nodes use a ROS domain of their own, unless
    ROS_DOMAIN_ID is set, and the namespace /demo.
    """
    from mtshare_ros.cli.demo_environment import require_ros

    check_picture_path(sheet)
    check_folder(json)
    require_ros()
    options = DemoOptions(duration, motion.value, seed, rate, _for_rooms(model), device,
                          sheet is not None, choose_port(port) if dashboard else None)
    with _running(options) as session:
        from mtshare_ros.cli.demo_view import print_summary, show

        show(session, options)
        figures = session.figures()
    print_summary(figures)
    if json is not None:
        write_json(json, figures)
    if sheet is not None:
        _save_sheet(session, sheet)
    _say_what_next(model)


def _for_rooms(model: str) -> str:
    """Return a model for rendered rooms: ``default`` is the one that knows nothing else."""
    from mtshare_ros.model.manifest import load_manifest

    return load_manifest().default if model == 'default' else model


@contextmanager
def _running(options: DemoOptions) -> Iterator['DemoSession']:
    """Start the nodes, give the session that watches them, and end them whatever happens."""
    from mtshare_ros.cli.demo_environment import prepare_environment
    from mtshare_ros.cli.node_process import ChildProcess, start_node, stop_all
    from mtshare_ros.cli.stopping import StopRequest
    from mtshare_ros.nodes.node_environment import RENDERED_CAMERA

    os.environ[RENDERED_CAMERA] = '1'
    lock = prepare_environment()
    processes: list[ChildProcess] = []
    with StopRequest() as stop, tempfile.TemporaryDirectory(prefix='mtshare_demo_') as folder:
        try:
            for module, parameters in _nodes(options).items():
                processes.append(start_node(
                    module, namespace=NAMESPACE, parameters=parameters, folder=Path(folder)))
            # Imported now, while the nodes load: the first maps come sooner.
            from mtshare_ros.cli.demo_session import DemoSession
            from mtshare_ros.nodes.demo_monitor import DemoWatch

            with DemoWatch(namespace=NAMESPACE, collect_sets=options.ground_truth) as watch:
                yield DemoSession(processes, watch, stop)
        finally:
            stop_all(processes)
            if lock is not None:
                lock.close()


def _nodes(options: DemoOptions) -> dict[str, dict[str, object]]:
    """Return the parameters of each node by its module; the slowest to start comes first."""
    port = options.dashboard_port
    return {
        'perception_node': {'model': options.model, 'device': options.device},
        'sim_camera_node': {
            'width': 320, 'height': 240, 'rate': float(options.rate_hz),
            'motion': options.motion, 'seed': options.seed,
            'ground_truth': options.ground_truth,
        },
        **({'dashboard_node': {'port': port}} if port is not None else {}),
    }


def _save_sheet(session: 'DemoSession', path: Path) -> None:
    from mtshare_ros.cli.output import save_picture
    from mtshare_ros.inference.contact_sheet import draw_contact_sheet

    rows = session.sheet_rows()
    if not rows:
        typer.echo('no frame came with all its maps and its truth, so there is no sheet; '
                   'let the demo run longer or lower --rate', err=True)
        raise typer.Exit(1)
    save_picture(path, draw_contact_sheet(rows, session.labels()))


def _say_what_next(model: str) -> None:
    argument = '' if model == 'default' else f' model:={model}'
    typer.echo(
        '\nNext, with ROS 2 sourced and this package installed:\n'
        f'  ros2 launch mtshare_ros perception.launch.py image:=/camera/image{argument}\n'
        '  ros2 launch mtshare_ros demo.launch.py rviz:=true        the same demo in rviz2'
    )
