"""Nodes in processes of their own, in a ROS domain that nobody else uses."""

from contextlib import contextmanager
import fcntl
import os
from pathlib import Path
import signal
import subprocess
import sys
import tempfile

from ros_memory import remove_orphans, segments_of
from waiting import PATIENCE_S, wait_until

from mtshare_ros.cli.node_process import node_module
from mtshare_ros.nodes.node_environment import node_environment

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def free_domain():
    """
    Reserve one of the ROS domains 1 to 100 until the test ends.

    A locked file stands for each, so that two suites on one machine never meet. Domains above
    101 would take ports that Linux hands out to anybody.
    """
    folder = Path(tempfile.gettempdir()) / f'mtshare_ros_domains_{os.getuid()}'
    folder.mkdir(exist_ok=True)
    start = os.getpid() % 100
    for step in range(100):
        number = 1 + (start + step) % 100
        with (folder / str(number)).open('w') as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield number
            return
    raise RuntimeError('all ROS domains from 1 to 100 are in use')


def bound_to_tests(command, number='KILL'):
    """
    Return the command so that the kernel signals its process when the one of the tests dies.

    A process of tests that crashes ends nothing itself. A node that it left would take the time
    of the machine and answer to the tests that get its domain next.
    """
    return ['setpriv', '--pdeathsig', number, '--', *map(str, command)]


class NodeProcess:
    """One node in a process, and everything it wrote."""

    def __init__(self, command, environment, log):
        self._log = log
        with log.open('w') as output:
            self._process = subprocess.Popen(
                bound_to_tests(command), env=environment, stdout=output,
                stderr=subprocess.STDOUT, cwd=ROOT)

    @property
    def output(self):
        return self._log.read_text()

    @property
    def pid(self):
        return self._process.pid

    def is_running(self):
        return self._process.poll() is None

    def count_lines(self, *words):
        """Count the lines of the output that hold all the words."""
        lines = self.output.splitlines()
        return sum(all(word in line for word in words) for line in lines)

    def wait_for_output(self, *words):
        wait_until(lambda: self.count_lines(*words), f'{words} in the output', lambda: self.output)

    def send_signal(self, number):
        self._process.send_signal(number)

    def end(self, number=signal.SIGINT):
        """Send a signal and return the exit code."""
        self.send_signal(number)
        return self._process.wait(PATIENCE_S)

    def wait(self):
        return self._process.wait(PATIENCE_S)

    def kill(self):
        if self.is_running():
            segments = segments_of(self.pid)
            self._process.kill()
            self._process.wait()
            remove_orphans(segments)


class NodeRunner:
    """Starts nodes in one domain and ends them all."""

    def __init__(self, domain, folder):
        self._folder = folder
        self._started = []
        self.environment = {
            **os.environ, 'ROS_DOMAIN_ID': str(domain), 'ROS_LOG_DIR': str(folder),
            'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST', 'PYTHONUNBUFFERED': '1',
            'PYTHONPATH': os.pathsep.join([str(ROOT), os.environ.get('PYTHONPATH', '')]),
            'OMP_NUM_THREADS': '1',
        }
        self.environment.update(node_environment(self.environment))

    def start(self, name, *arguments):
        """Run a node, named by its executable, with ROS arguments."""
        return self.run(name, '--ros-args', *arguments)

    def run(self, name, *arguments):
        """Run a node, named by its executable, with any arguments."""
        return self._launch(['-m', node_module(name), *arguments], name)

    def perception(self, model, *arguments, **parameters):
        """Run the perception node; a dot in a parameter is written as two underscores."""
        return self.start('perception_node', *perception_arguments(model, parameters), *arguments)

    def failing_perception(self, model, fault, times, **parameters):
        """Run the perception node with an engine that fails so many times (failing_node.py)."""
        script = Path(__file__).with_name('failing_node.py')
        return self._launch(
            [str(script), fault, str(times), '--ros-args',
             *perception_arguments(model, parameters)], 'failing_node')

    def sim_camera(self, *arguments, **parameters):
        return self.start('sim_camera_node', *as_arguments(parameters), *arguments)

    def video_camera(self, *arguments, **parameters):
        return self.start('video_camera_node', *as_arguments(parameters), *arguments)

    def close(self):
        for process in self._started:
            process.kill()

    def _launch(self, words, name):
        log = self._folder / f'{name}_{len(self._started)}.log'
        self._started.append(NodeProcess([sys.executable, *words], self.environment, log))
        return self._started[-1]


def perception_arguments(model, parameters):
    given = {'model': model, 'device': 'cpu', 'input_size': [96, 128],
             'diagnostics_period': 0.1, **parameters}
    return as_arguments(given)


def as_arguments(parameters):
    """Turn parameters into command line arguments, -p name:=value."""
    words = []
    for name, value in parameters.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        words += ['-p', f'{name.replace("__", ".")}:={text}']
    return words
