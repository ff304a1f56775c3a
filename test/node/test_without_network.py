"""
The perception node needs no network and no pickle.

What is not seen: the C++ code of DDS opens its sockets without Python, and talks to other nodes
through them; of those only connections to other machines that stand at one moment are seen.
"""

import os
from pathlib import Path
import shutil
import subprocess
import sys

import pytest
from ros_harness import open_stage
from ros_messages import camera_image

GUARD = Path(__file__).with_name('no_network.py')


@pytest.fixture
def guarded(tmp_path):
    """Return an environment in which Python reaches this machine only, and the log of attempts."""
    folder, log = tmp_path / 'guard', tmp_path / 'attempts.txt'
    folder.mkdir()
    log.touch()
    shutil.copy(GUARD, folder / 'sitecustomize.py')
    return {'PYTHONPATH': str(folder), 'NETWORK_LOG': str(log)}, log


@pytest.mark.parametrize('attempt', [
    'import socket; socket.create_connection(("192.0.2.1", 80), 1)',
    'import socket; socket.getaddrinfo("example.invalid", 443)',
    'import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 53))',
    'import socket; socket.socket(socket.AF_INET6).connect(("2001:db8::1", 80))',
    'import urllib.request; urllib.request.urlopen("http://192.0.2.1")',
    'import pickle, os; pickle.loads(b"cos\\nsystem\\n.")',
])
def test_the_guard_notices_and_refuses(guarded, attempt):
    environment, log = guarded

    result = subprocess.run(
        [sys.executable, '-c', attempt], env={**os.environ, **environment}, capture_output=True,
        text=True)

    assert result.returncode and 'refused by the test' in result.stderr
    assert log.read_text()


def test_the_guard_lets_this_machine_be_talked_to(guarded):
    environment, log = guarded
    here = ('import socket; s = socket.create_server(("127.0.0.1", 0)); '
            'socket.create_connection(s.getsockname())')

    subprocess.run([sys.executable, '-c', here], env={**os.environ, **environment}, check=True)

    assert not log.read_text()


def connections_elsewhere(pid):
    """Return the addresses of other machines that a process is connected to."""
    psutil = pytest.importorskip('psutil', reason='psutil is not installed')
    peers = {item.raddr.ip for item in psutil.Process(pid).net_connections('inet') if item.raddr}
    return {peer for peer in peers if not peer.startswith(('127.', '::1', '::ffff:127.'))}


@pytest.mark.fault(30)
def test_the_node_configures_and_runs_without_network_or_pickle(
    guarded, tmp_path, tiny_model
):
    environment, log = guarded
    with open_stage(tmp_path) as stage:
        paths = [environment['PYTHONPATH'], stage.nodes.environment['PYTHONPATH']]
        stage.nodes.environment.update(environment, PYTHONPATH=os.pathsep.join(paths))
        node = stage.start_perception(tiny_model)
        stage.observer.listen('semantic/mask')
        stage.observer.wait_for_outputs('semantic/mask')

        stage.observer.send_until(
            stage.observer.camera(), camera_image(),
            lambda: stage.observer.received['semantic/mask'], 'a mask')

        assert not connections_elsewhere(node.pid)
    assert not log.read_text()
