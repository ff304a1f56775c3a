"""Two machines that train together: two torchruns on this one, each in a folder of its own."""

from dataclasses import dataclass
import os
from pathlib import Path
import signal
import socket
import subprocess
import sys

from waiting import PATIENCE_S, wait_until

ROOT = Path(__file__).parents[1]
PATHS = (ROOT, ROOT / 'test', ROOT / 'test/unit/training')


@dataclass(frozen=True)
class Machine:
    """A torchrun with its process, and the folder that it runs in."""

    folder: Path
    torchrun: subprocess.Popen

    def wait(self):
        """Return the exit code of torchrun."""
        return self.torchrun.wait(timeout=PATIENCE_S)

    def said(self):
        """Return what torchrun and its process wrote."""
        return (self.folder / 'output.txt').read_text()

    def send(self, number):
        """Send a signal to torchrun and its process at once."""
        for pid in (self._process(), self.torchrun.pid):
            os.kill(pid, number)

    def _process(self):
        listed = Path(f'/proc/{self.torchrun.pid}/task/{self.torchrun.pid}/children')
        return int(listed.read_text().split()[0])


def free_port():
    """Return a port on which nothing listens."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        return free.getsockname()[1]


def start_machines(folders, *words):
    """Start ``words``, what torchrun is to run, as one training in several folders."""
    port = free_port()
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'COLUMNS': '200',
                   'PYTHONPATH': os.pathsep.join(map(str, PATHS))}
    return [_start(folder, environment, [
        '--nnodes', len(folders), '--node-rank', rank, '--nproc-per-node', 1,
        '--master-addr', '127.0.0.1', '--master-port', port, *words])
        for rank, folder in enumerate(folders)]


def _start(folder, environment, words):
    with (folder / 'output.txt').open('w') as output:
        return Machine(folder, subprocess.Popen(
            [sys.executable, '-m', 'torch.distributed.run', *map(str, words)], cwd=folder,
            env=environment, stdout=output, stderr=output))


def end_machines(machines):
    """End what still runs."""
    for machine in machines:
        if machine.torchrun.poll() is None:
            machine.send(signal.SIGKILL)
        machine.torchrun.wait()


def wait_for(path, machine):
    """Wait until a file exists that a machine is to write."""
    assert comes(path, machine), machine.said()


def comes(path, machine):
    """Wait until a machine has written a file, or has ended; return whether the file exists."""
    wait_until(lambda: path.exists() or machine.torchrun.poll() is not None, path, machine.said,
               pause_s=0.01)
    return path.exists()
