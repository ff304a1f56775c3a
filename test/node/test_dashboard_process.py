"""The dashboard as a process: how it begins, how it ends, and what it costs the node."""

import http.client
import os
import signal
import socket

from absent_modules import block
import pytest
from waiting import PATIENCE_S

pytest.importorskip('tornado', reason='the dashboard needs the extra [dashboard]')
pytest.importorskip('PIL', reason='the dashboard needs the extra [dashboard]')

READY = 'the dashboard is at http://'


def start(stage, *arguments, **parameters):
    given = {'port': 0, **parameters}
    words = [word for name, value in given.items() for word in ('-p', f'{name}:={value}')]
    return stage.nodes.start('dashboard_node', *words, *arguments)


def address(process):
    """Return the host with its port and the path that a process says it is at."""
    process.wait_for_output(READY)
    url = process.output.split(READY)[1].split()[0]
    host, _, path = url.partition('/')
    return host, f'/{path}'


def leave_out(stage, folder, *modules):
    """Make modules absent for the processes that start from now on."""
    environment = stage.nodes.environment
    environment['PYTHONPATH'] = f'{block(folder, *modules)}{os.pathsep}{environment["PYTHONPATH"]}'


def status_of(host, path='/'):
    connection = http.client.HTTPConnection(host, timeout=PATIENCE_S)
    connection.request('GET', path)
    return connection.getresponse().status


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_code_0_while_a_page_is_open(stage, number):
    process = start(stage)
    host, _ = address(process)
    with socket.create_connection(host.split(':')) as connection:
        connection.sendall(b'GET / HTTP/1.1\r\n')

        assert process.end(number) == 0

    assert 'Traceback' not in process.output


def test_a_port_in_use_ends_it_with_the_number_and_what_to_do(stage):
    with socket.create_server(('127.0.0.1', 0)) as taken:
        port = taken.getsockname()[1]

        process = start(stage, port=port)

        assert process.wait() == 1
    assert process.count_lines(f'port {port} on 127.0.0.1 is in use', 'set the parameter port')
    assert 'Traceback' not in process.output


def test_an_open_address_makes_up_a_token_and_asks_for_it(stage):
    host, path = address(start(stage, address='0.0.0.0'))

    assert path.startswith('/?token=') and len(path) > 30
    assert status_of(host) == 403
    assert status_of(host, path) == 302


@pytest.mark.parametrize('name, value', [
    ('token', 'short'), ('cameras', "['a b']"), ('labels', 'nothing'), ('node', '1x'),
])
def test_a_parameter_that_is_not_allowed_ends_it_with_its_name(stage, name, value):
    process = start(stage, **{name: value})

    assert process.wait() == 1
    assert value.strip("[]'") in process.output and 'Traceback' not in process.output


@pytest.mark.parametrize('module, package', [('tornado', 'tornado'), ('PIL', 'Pillow')])
def test_without_the_extra_it_says_how_to_get_it(stage, tmp_path, module, package):
    leave_out(stage, tmp_path, module)

    process = start(stage)

    assert process.wait() == 1
    assert process.count_lines(package, "pip install 'mtshare_ros[dashboard]'")
    assert 'Traceback' not in process.output


def test_it_needs_nothing_that_the_network_needs(stage, tmp_path):
    leave_out(stage, tmp_path, 'torch', 'safetensors')

    host, _ = address(start(stage))

    assert status_of(host) == 200


def test_while_no_page_is_open_it_subscribes_to_no_picture(stage, tiny_model):
    address(start(stage))
    stage.start_perception(tiny_model)
    node = stage.observer.node

    stage.observer.spin_until(lambda: node.count_subscribers('/diagnostics'), 'the dashboard')

    stage.observer.diagnose('state', 'active')
    topics = dict(node.get_topic_names_and_types())
    images = [name for name, kinds in topics.items() if kinds == ['sensor_msgs/msg/Image']]
    assert '/depth/color' in images
    assert [name for name in images if node.count_subscribers(name)] == ['/image']
