"""Recordings of ROS 1, which are recognised and not read."""

from pathlib import Path

_MAGIC = b'#ROSBAG V'


def is_ros1_bag(path: Path) -> bool:
    """Tell whether a file is a bag of ROS 1, whatever its name."""
    with path.open('rb') as file:
        return file.read(len(_MAGIC)) == _MAGIC


def explain_ros1(path: Path, evidence: str) -> str:
    """Return the text of an error: what the recording is, and how to go on with it."""
    source = path if path.suffix == '.bag' else path.with_suffix('.bag')
    if path.suffix == '.bag':
        way = f'convert it: rosbags-convert --src {source.name} --dst {source.stem}'
    else:
        way = (f'convert the .bag that it was made from: rosbags-convert --src {source.name} '
               f'--dst {source.stem}')
    return (f'{path}: is a recording of ROS 1 ({evidence}), ROS 2 bags are read; {way} '
            "(pip install rosbags; 'mcap convert' keeps the messages of ROS 1)")
