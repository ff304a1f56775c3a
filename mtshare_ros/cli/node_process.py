"""Nodes in processes of their own: environment, start, watch, end."""

from contextlib import contextmanager, nullcontext
import fcntl
from importlib import import_module
import math
import os
from pathlib import Path
import signal
import subprocess
import sys
import tempfile
import time
from typing import Any, Callable, IO, Iterable, Iterator, Mapping, Sequence

import yaml

from mtshare_ros.cli.output import StopRequest
from mtshare_ros.errors import MissingExtraError, MtshareError

_LAST_LINES = 12
_SIGNALS = ((signal.SIGINT, 5.0), (signal.SIGTERM, 3.0), (signal.SIGKILL, 3.0))
"""The signals that end a process, and the seconds to wait after each."""


class ChildProcess:
    """
    A program whose output goes to ``<folder>/<name>.log``.

    It runs in a session of its own, so that Ctrl-C in the terminal does not reach it; ``stop_all``
    ends it.
    """

    def __init__(self, name: str, command: Sequence[str], folder: Path) -> None:
        self.name = name
        self.started = time.monotonic()
        self._log = folder / f'{name}.log'
        with self._log.open('w', encoding='utf-8') as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True)

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code, None while the process runs."""
        return self._process.poll()

    def check(self) -> None:
        """Raise MtshareError with the last lines of the program if it has ended."""
        code = self._process.poll()
        if code is not None:
            raise MtshareError(f'{self.name} ended with code {code}; last lines:\n{self.tail()}')

    def output(self) -> str:
        """Return everything the program wrote."""
        return self._log.read_text(encoding='utf-8', errors='replace')

    def tail(self) -> str:
        """Return the last lines the program wrote."""
        lines = self.output().splitlines()
        return '\n'.join(lines[-_LAST_LINES:]) or '(nothing)'

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless the process has ended."""
        if self.is_running:
            self._process.send_signal(number)


def node_module(executable: str) -> str:
    """Return the module of a node's executable: each node has a folder of its own."""
    return f'mtshare_ros.nodes.{executable.removesuffix("_node")}.node'


def start_node(
    name: str, *, namespace: str, parameters: Mapping[str, Any], folder: Path
) -> ChildProcess:
    """Start a node of this package, named by its executable, with parameters from a file."""
    values = folder / f'{name}.yaml'
    text = yaml.safe_dump({'/**': {'ros__parameters': dict(parameters)}})
    values.write_text(text, encoding='utf-8')
    command = [sys.executable, '-m', node_module(name), '--ros-args',
               '-r', f'__ns:={namespace}', '--params-file', str(values)]
    return ChildProcess(name, command, folder)


def stop_all(processes: Iterable[ChildProcess]) -> None:
    """End processes by SIGINT, SIGTERM and SIGKILL, and wait for each."""
    processes = list(processes)
    for number, seconds in _SIGNALS:
        for process in processes:
            process.send(number)
        deadline = time.monotonic() + seconds
        while any(process.is_running for process in processes):
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)


_DOMAINS = range(1, 101)


def require_ros() -> None:
    """Raise MissingExtraError where ROS 2 cannot be used from this Python."""
    for module in ('rclpy', 'sensor_msgs.msg', 'diagnostic_msgs.msg'):
        try:
            import_module(module)
        except ImportError as error:
            raise MissingExtraError(
                f'the demo runs real ROS 2 nodes, and {module} cannot be imported ({error}); '
                'in a checkout `make demo` installs what is needed; with ROS 2 installed, source '
                'it first: source /opt/ros/<distribution>/setup.bash'
            ) from error


def prepare_environment() -> IO[str] | None:
    """
    Set variables of DDS and threads for this process and its children, unless the user set them.

    Returns the lock of the chosen ROS domain, to be kept open while it is used, or None if the
    user chose the domain.
    """
    from mtshare_ros.nodes.node_environment import node_environment

    os.environ.update(node_environment(os.environ))
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    if os.environ.get('ROS_DISTRO') == 'humble':
        os.environ.setdefault('ROS_LOCALHOST_ONLY', '1')
    # The simulated camera computes, too, so it gets a core of its own. With fewer cores than
    # threads, PyTorch's threads spin while they wait, and everything is many times slower.
    os.environ.setdefault('OMP_NUM_THREADS', str(max(1, len(os.sched_getaffinity(0)) - 1)))
    return None if os.environ.get('ROS_DOMAIN_ID') else _claim_domain()


def _claim_domain() -> IO[str]:
    """Lock a ROS domain that no other demo on this machine uses; set ROS_DOMAIN_ID to it."""
    start = os.getpid() % len(_DOMAINS)
    for number in (*_DOMAINS[start:], *_DOMAINS[:start]):
        lock = _try_lock(Path(tempfile.gettempdir()) / f'mtshare_ros_domain_{number}.lock')
        if lock is not None:
            os.environ['ROS_DOMAIN_ID'] = str(number)
            return lock
    raise MtshareError(
        f'all ROS domains {_DOMAINS[0]} to {_DOMAINS[-1]} are taken by other demos; '
        'end one, or set ROS_DOMAIN_ID'
    )


def _try_lock(path: Path) -> IO[str] | None:
    try:
        file = path.open('a')
    except OSError:  # the file of another user
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file


FIRST_OUTPUTS_S = 300.0
"""How long the first outputs may take: loading PyTorch and the model on a slow, busy machine."""


class NodeTrial:
    """
    A perception node in its process, with the nodes around it in this one.

    ``surroundings`` is a ``nodes.trials.trial.Trial``; the annotations do not name it, because
    importing it needs ROS 2. ``watch`` is called about twenty times a second once the node runs.
    Waiting for messages raises KeyboardInterrupt if the user stops the command, and MtshareError
    if the node has ended.
    """

    def __init__(self, process: ChildProcess, stop: StopRequest) -> None:
        self.process = process
        self.surroundings: Any = None
        self.watch: Callable[[], None] = lambda: None
        self._stop = stop
        self._runs = False

    def wait_for_the_node(self) -> None:
        """Subscribe to every output and wait for them; raise MtshareError if they do not come."""
        self.surroundings.listener.listen()
        if not math.isfinite(self.surroundings.wait_for_outputs(FIRST_OUTPUTS_S)):
            raise MtshareError(f'not every output of {self.process.name} came within '
                               f'{FIRST_OUTPUTS_S:.0f} s; last lines:\n{self.process.tail()}')
        self._runs = True

    def tick(self) -> None:
        """Check the process, and whether to stop; called while messages are awaited."""
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
    Start a node in a ROS domain of its own, with the nodes around it, and end it in any case.

    ``parameters`` include the model. ``look`` has the fields of ``nodes.trials.trial.Look`` that
    differ from their defaults.
    """
    from mtshare_ros.model.file_description import read_description
    from mtshare_ros.model.manifest import find_model

    description = read_description(find_model(parameters['model']).path)
    lock = prepare_environment()
    with lock or nullcontext(), StopRequest() as stop, \
            tempfile.TemporaryDirectory(prefix='mtshare_trial_') as folder:
        process = start_node('perception_node', namespace=namespace, parameters=parameters,
                             folder=Path(folder))
        try:
            # imported here, while the node loads, to start sooner
            from mtshare_ros.nodes.trials.trial import Look, Trial

            trial = NodeTrial(process, stop)
            with Trial(namespace=namespace, tasks=description.tasks,
                       relative=description.architecture.relative_depth, tick=trial.tick,
                       look=Look(**(look or {}))) as trial.surroundings:
                yield trial
        finally:
            stop_all([process])
