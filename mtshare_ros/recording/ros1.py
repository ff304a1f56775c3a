"""Recordings of ROS 1, which are recognised and not read."""

from pathlib import Path

_MAGIC = b'#ROSBAG V'


def is_ros1_bag(path: Path) -> bool:
    """Tell whether a file is a bag of ROS 1, whatever its name."""
    with path.open('rb') as file:
        return file.read(len(_MAGIC)) == _MAGIC


def explain_ros1(path: Path) -> str:
    """Return the text of an error: what a bag of ROS 1 is, and how to go on with it."""
    name = path.name.partition('.')[0]
    return (f'{path}: is a recording of ROS 1 (it begins with #ROSBAG), bags of ROS 2 are read; '
            f'convert it: pip install rosbags, rosbags-convert --src {path.name} --dst {name}')


def explain_ros1_messages(path: Path) -> str:
    """Return the text of an error about an mcap file whose messages are those of ROS 1."""
    name = path.name.partition('.')[0]
    return (f'{path}: is a recording of ROS 1 (its messages have the format ros1, which "mcap '
            'convert" keeps), bags of ROS 2 are read; convert the .bag that it was made from: pip '
            f'install rosbags, rosbags-convert --src {name}.bag --dst {name}')
