"""The environment of nodes: a transport profile, and threads that leave cores to others."""

import os
import subprocess
import sys

import pytest

pytest.importorskip('rclpy', reason='ROS 2 is neither sourced nor installed')

from mtshare_ros.nodes.node_environment import node_environment  # noqa: E402

THREADS = {'GOMP_SPINCOUNT': '5'}


@pytest.mark.parametrize(('distro', 'names'), [
    ('humble', {'FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE'}),
    ('jazzy', {'FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE'}),
    ('kilted', {'FASTDDS_DEFAULT_PROFILES_FILE'}),
])
def test_the_transport_profile_is_named_as_the_distribution_reads_it(distro, names):
    variables = node_environment({'ROS_DISTRO': distro, **THREADS})

    assert set(variables) == names
    assert all(path.endswith('fastdds_large_images.xml') for path in variables.values())


@pytest.mark.parametrize('name', [
    'FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE'])
def test_a_profile_the_user_named_is_left_alone(name):
    assert node_environment({name: '/mine.xml', **THREADS}) == {}


def test_threads_of_a_node_that_wait_for_one_another_sleep_soon():
    told = subprocess.run(
        [sys.executable, '-c', 'import torch'], capture_output=True, text=True, check=True,
        env={**os.environ, **node_environment({}), 'OMP_DISPLAY_ENV': 'verbose'}).stderr
    if 'GOMP_SPINCOUNT' not in told:
        pytest.skip('PyTorch here does not use the OpenMP of GCC')

    assert "GOMP_SPINCOUNT = '1000'" in told


@pytest.mark.parametrize('name', ['OMP_WAIT_POLICY', 'GOMP_SPINCOUNT'])
def test_how_threads_wait_is_left_alone_where_the_user_says_it(name):
    assert node_environment({name: '1', 'FASTDDS_DEFAULT_PROFILES_FILE': '/mine.xml'}) == {}
