"""The nodes that tests start do not outlive the tests."""

import os
from pathlib import Path
import signal
import subprocess
import sys

from waiting import wait_until

CRASHING_TESTS = """
import os, signal, sys
from pathlib import Path
from ros_processes import NodeProcess
started = NodeProcess(['sleep', '100'], os.environ, Path(sys.argv[1]))
print(started.pid, flush=True)
while 'sleep' not in Path(f'/proc/{started.pid}/comm').read_text():
    pass
os.kill(os.getpid(), signal.SIGSEGV)
"""


def is_alive(pid):
    try:
        return 'Z' not in Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0]
    except FileNotFoundError:
        return False


def test_a_node_dies_with_the_process_of_its_test(tmp_path):
    crashed = subprocess.run(
        [sys.executable, '-c', CRASHING_TESTS, tmp_path / 'log'], stdout=subprocess.PIPE,
        env={**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path)})

    assert crashed.returncode == -signal.SIGSEGV
    wait_until(lambda: not is_alive(int(crashed.stdout)), 'the end of the node')
