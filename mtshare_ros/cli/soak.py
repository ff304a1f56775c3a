"""``mtshare soak``: does the node hold what is promised while everything around it goes wrong."""

import os
from pathlib import Path
from typing import Annotated

import typer

from mtshare_ros.cli.node_trial import node_on_trial
from mtshare_ros.cli.options import DeviceOption, JsonOption, ModelOption
from mtshare_ros.cli.output import check_folder, write_json
from mtshare_ros.cli.soak_record import as_values, judge
from mtshare_ros.cli.soak_session import SoakOptions, SoakSession

NAMESPACE = '/soak'

EXAMPLES = """
mtshare soak
mtshare soak --duration 60 --seed 7 --json soak.json
mtshare soak --model my.safetensors --log node.log
"""

_INPUT_TIMEOUT_S = 1.0


def soak(
    duration: Annotated[float, typer.Option(
        min=1.0, metavar='S', help='Seconds of faults, from the first outputs on.')] = 600.0,
    seed: Annotated[int, typer.Option(
        min=0, metavar='N', help='Which faults in which order.')] = 0,
    model: ModelOption = 'default',
    device: DeviceOption = 'auto',
    json: JsonOption = None,
    log: Annotated[Path | None, typer.Option(
        '--log', metavar='FILE', help='Keep what the node wrote in this file.')] = None,
) -> None:
    """
    Inject faults at random into the real node, and watch whether it holds what is promised.

    Starts perception_node as a process over real DDS, plays its camera and whoever else is in the
    graph, and does everything wrong that can be done from outside: broken images, other sizes,
    encodings and frames, silence, bursts, stamps that jump, useless camera_info, parameters and
    transitions that must be refused, subscribers that come and go. After each fault every output
    must come back; memory, threads and open files must not grow after the warm-up of a minute (of
    a shorter soak: its first third). Ends with a verdict for every promise, and with code 1 where
    one is broken.

    On the CPU the node runs without PyTorch's cache of kernels (the environment variable
    ONEDNN_PRIMITIVE_CACHE_CAPACITY is 0, unless you set it): it fills for minutes with a kernel
    for every size of product that occurs, by some hundred megabytes, and would hide a leak.
    """
    from mtshare_ros.cli.demo_environment import require_ros
    from mtshare_ros.cli.process_usage import require_proc
    from mtshare_ros.cli.soak_view import print_verdict, progress

    check_folder(json)
    check_folder(log)
    require_ros()
    require_proc()
    os.environ.setdefault('ONEDNN_PRIMITIVE_CACHE_CAPACITY', '0')
    options = SoakOptions(duration, seed, model, device)
    with node_on_trial(namespace=NAMESPACE, parameters=_parameters(options)) as trial, \
            progress() as show:
        session = SoakSession(options, trial, show)
        record = session.run()
        if log is not None:
            log.write_text(trial.process.output())
    print_verdict(record)
    if json is not None:
        write_json(json, as_values(record))
    if session.is_stopped:
        raise typer.Exit(130)
    if not all(item.holds for item in judge(record)):
        raise typer.Exit(1)


def _parameters(options: SoakOptions) -> dict[str, object]:
    from mtshare_ros.nodes.trials.soak_input_faults import LARGEST_IMAGE

    return {'model': options.model, 'device': options.device, 'max_pixels': LARGEST_IMAGE,
            'input_timeout': _INPUT_TIMEOUT_S}
