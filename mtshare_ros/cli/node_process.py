"""Nodes as child processes: started with parameters, watched, ended without orphans."""

from pathlib import Path
import signal
import subprocess
import sys
import time
from typing import Any, Iterable, Mapping, Sequence

import yaml

from mtshare_ros.errors import MtshareError

_LAST_LINES = 12
_PATIENCE = ((signal.SIGINT, 5.0), (signal.SIGTERM, 3.0), (signal.SIGKILL, 3.0))
"""How a process is asked to end, and the seconds it is given each time."""


class ChildProcess:
    """
    A program whose output goes to ``<folder>/<name>.log``.

    It stands in a session of its own, so that Ctrl-C in the terminal reaches it through
    ``stop_all`` only, once.
    """

    def __init__(self, name: str, command: Sequence[str], folder: Path) -> None:
        self.name = name
        self.started = time.monotonic()
        self._log = folder / f'{name}.log'
        with self._log.open('w') as log:
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
        """Raise MtshareError with the last lines of the program where it has ended."""
        code = self._process.poll()
        if code is not None:
            raise MtshareError(f'{self.name} ended with code {code}; it said:\n{self.tail()}')

    def output(self) -> str:
        """Return everything the program wrote."""
        return self._log.read_text(errors='replace')

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
    values.write_text(yaml.safe_dump({'/**': {'ros__parameters': dict(parameters)}}))
    command = [sys.executable, '-m', node_module(name), '--ros-args',
               '-r', f'__ns:={namespace}', '--params-file', str(values)]
    return ChildProcess(name, command, folder)


def stop_all(processes: Iterable[ChildProcess]) -> None:
    """End processes: politely, then firmly, then by force; return when all have ended."""
    processes = list(processes)
    for number, patience_s in _PATIENCE:
        for process in processes:
            process.send(number)
        deadline = time.monotonic() + patience_s
        while any(process.is_running for process in processes):
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)
