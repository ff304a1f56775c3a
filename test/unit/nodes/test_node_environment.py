"""The environment of nodes: a transport profile."""

import pytest

pytest.importorskip('rclpy', reason='ROS 2 is neither sourced nor installed')

from mtshare_ros.nodes.node_environment import node_environment  # noqa: E402


@pytest.mark.parametrize(('distro', 'names'), [
    ('humble', {'FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE'}),
    ('jazzy', {'FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE'}),
    ('kilted', {'FASTDDS_DEFAULT_PROFILES_FILE'}),
])
def test_the_transport_profile_is_named_as_the_distribution_reads_it(distro, names):
    variables = node_environment({'ROS_DISTRO': distro})

    assert set(variables) == names
    assert all(path.endswith('fastdds_large_images.xml') for path in variables.values())


@pytest.mark.parametrize('name', [
    'FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE'])
def test_a_profile_the_user_named_is_left_alone(name):
    assert node_environment({name: '/mine.xml'}) == {}
