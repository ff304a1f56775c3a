"""The command by which replay.launch.py plays a bag."""

import pytest
from test_configuration import load

pytest.importorskip('launch_ros', reason='launch_ros is not installed; it comes with ROS 2')

VALUES = {'bag': '/data/drive', 'rate': '0.5', 'start_offset': '3.0', 'loop': 'false'}


@pytest.mark.parametrize('loop, last', [('false', []), ('true', ['--loop'])])
def test_the_bag_is_played_with_its_clock(loop, last):
    command = load('replay.launch.py').player_command({**VALUES, 'loop': loop})

    assert command == [
        'ros2', 'bag', 'play', '/data/drive', '--clock', '--rate', '0.5', '--start-offset', '3.0',
        '--disable-keyboard-controls', *last]


def test_every_argument_is_described():
    described = {item.name: item.description for item in load('replay.launch.py').arguments()}

    assert set(described) == {'bag', 'rate', 'loop', 'start_offset', 'delay'}
    assert all(len(text) > 10 for text in described.values())
