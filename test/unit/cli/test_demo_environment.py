"""What the demo's processes find in their environment."""

import os

import pytest

pytest.importorskip('ament_index_python', reason='the demo needs ROS 2')

from mtshare_ros.cli.demo_environment import prepare_environment  # noqa: E402


@pytest.fixture
def environment(monkeypatch):
    """Lend an environment of its own, in which the user chose the ROS domain."""
    made = {'ROS_DOMAIN_ID': '7', 'PATH': os.environ['PATH']}
    monkeypatch.setattr(os, 'environ', made)
    return made


def test_the_processes_leave_the_cores_to_each_other_while_they_wait(environment):
    assert prepare_environment() is None

    assert environment['OMP_WAIT_POLICY'] == 'PASSIVE'


def test_what_the_user_has_set_stays(environment):
    environment.update(OMP_WAIT_POLICY='ACTIVE', ROS_AUTOMATIC_DISCOVERY_RANGE='SUBNET')

    prepare_environment()

    assert environment['OMP_WAIT_POLICY'] == 'ACTIVE'
    assert environment['ROS_AUTOMATIC_DISCOVERY_RANGE'] == 'SUBNET'
