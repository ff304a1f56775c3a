"""A perception node in a process of its own, and its surroundings in this one."""

from contextlib import contextmanager, nullcontext
import math
from pathlib import Path
import tempfile
from typing import Any, Callable, Iterator, Mapping

from mtshare_ros.cli.node_process import ChildProcess, start_node, stop_all
from mtshare_ros.cli.stopping import StopRequest
from mtshare_ros.errors import MtshareError

START_LIMIT_S = 120.0
"""How long the first outputs may take: loading PyTorch and the model on a slow disk."""

class NodeTrial:
    """
    The node and its surroundings; ``watch`` is called about twenty times a second once it runs.

    ``surroundings`` is a ``nodes.trial.Trial``, which is not named in the annotations, because
    importing it needs ROS 2. Waiting for messages raises KeyboardInterrupt where the user wants
    the end, and MtshareError where the node has ended.
    """

    def __init__(self, process: ChildProcess, stop: StopRequest) -> None:
        self.process = process
        self.surroundings: Any = None
        self.watch: Callable[[], None] = lambda: None
        self._stop = stop
        self._runs = False

    def wait_for_the_node(self) -> None:
        """Subscribe to every output and wait for them; raise MtshareError saying why none come."""
        self.surroundings.listener.listen()
        if not math.isfinite(self.surroundings.wait_for_outputs(START_LIMIT_S)):
            raise MtshareError(f'not every output of {self.process.name} came within '
                               f'{START_LIMIT_S:.0f} s; it said:\n{self.process.tail()}')
        self._runs = True

    def tick(self) -> None:
        """Look after the node; the surroundings call this while they wait."""
        if self._stop.requested:
            raise KeyboardInterrupt
        self.process.check()
        if not self._runs:
            self._check_start()
        self.watch()

    def _check_start(self) -> None:
        message = self.surroundings.listener.status.message if self.surroundings else ''
        if message.startswith('ERROR: '):
            raise MtshareError(f'{self.process.name}: {message.removeprefix("ERROR: ")}')


@contextmanager
def node_on_trial(
    *, namespace: str, parameters: Mapping[str, Any], look: Mapping[str, Any] | None = None
) -> Iterator[NodeTrial]:
    """
    Start a node in a ROS domain of its own with its surroundings, and end it whatever happens.

    ``parameters`` name the model. ``look`` holds the fields of ``nodes.trial_camera.Look`` that
    differ from their defaults.
    """
    from mtshare_ros.cli.demo_environment import prepare_environment
    from mtshare_ros.model.checkpoint import read_description
    from mtshare_ros.model.manifest import find_model

    description = read_description(find_model(parameters['model']).path)
    lock = prepare_environment()
    with lock or nullcontext(), StopRequest() as stop, \
            tempfile.TemporaryDirectory(prefix='mtshare_trial_') as folder:
        process = start_node('perception_node', namespace=namespace, parameters=parameters,
                             folder=Path(folder))
        try:
            # Imported now, while the node loads.
            from mtshare_ros.nodes.trials.trial import Look, Trial

            trial = NodeTrial(process, stop)
            with Trial(namespace=namespace, tasks=description.tasks,
                       relative=description.architecture.relative_depth, tick=trial.tick,
                       look=Look(**(look or {}))) as trial.surroundings:
                yield trial
        finally:
            stop_all([process])
