"""The environment of nodes that commands start."""

import os

import pytest

pytest.importorskip('ament_index_python', reason='the demo needs ROS 2')

from mtshare_ros.cli.node_process import prepare_environment  # noqa: E402


@pytest.fixture
def environment(monkeypatch):
    """Lend an environment of its own, in which the user chose the ROS domain."""
    made = {'ROS_DOMAIN_ID': '7', 'PATH': os.environ['PATH']}
    monkeypatch.setattr(os, 'environ', made)
    return made


def test_the_node_leaves_a_core_to_the_camera(environment, monkeypatch):
    monkeypatch.setattr(os, 'sched_getaffinity', lambda _: {0, 1, 2, 3})

    assert prepare_environment() is None

    assert environment['OMP_NUM_THREADS'] == '3'


def test_a_single_core_is_used_all_the_same(environment, monkeypatch):
    monkeypatch.setattr(os, 'sched_getaffinity', lambda _: {0})

    prepare_environment()

    assert environment['OMP_NUM_THREADS'] == '1'


def test_what_the_user_has_set_stays(environment):
    environment.update(OMP_NUM_THREADS='8', ROS_AUTOMATIC_DISCOVERY_RANGE='SUBNET')

    prepare_environment()

    assert environment['OMP_NUM_THREADS'] == '8'
    assert environment['ROS_AUTOMATIC_DISCOVERY_RANGE'] == 'SUBNET'
