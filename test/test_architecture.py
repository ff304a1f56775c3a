"""The rules of imports hold, and files and functions stay within their limits of size."""

import ast
from pathlib import Path

import architecture_rules as rules
import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ('launch', 'mtshare_ros', 'test', 'tools')
LONGEST_FILE = 300
LONGEST_FUNCTION = 50


def python_files():
    """Return every Python file of the project."""
    found = [path for folder in FOLDERS for path in (ROOT / folder).rglob('*.py')]
    return sorted([ROOT / 'setup.py', *found])


def function_lengths(path):
    """Return name and lines of every function of a file."""
    functions = rules.Source(ROOT, path.relative_to(ROOT)).functions
    return [(node.name, node.end_lineno - node.lineno + 1) for node in functions]


@pytest.fixture
def checkout(tmp_path):
    """Return a function that writes one file of a made-up checkout and finds its faults."""
    def faults_of(path, text):
        target = tmp_path / path
        target.parent.mkdir(parents=True)
        target.write_text(text)
        return rules.faults(tmp_path)
    return faults_of


def test_the_package_keeps_its_rules():
    assert not rules.faults(ROOT)


@pytest.mark.parametrize('path, text, expected', [
    ('mtshare_ros/tasks.py', 'import mtshare_ros.model.network', 'foundation must not import'),
    ('mtshare_ros/model/a.py', 'from mtshare_ros.inference import engine', 'model must not'),
    ('mtshare_ros/inference/a.py', 'from mtshare_ros import nodes', 'inference must not import'),
    ('mtshare_ros/nodes/a.py', 'import mtshare_ros.training.trainer', 'nodes must not import'),
    ('mtshare_ros/nodes/a.py', 'from mtshare_ros import evaluation', 'nodes must not import'),
    ('mtshare_ros/nodes/a.py', 'from mtshare_ros.data.rooms import video', 'nodes must not'),
    ('mtshare_ros/nodes/sim_camera/node.py', 'import mtshare_ros.data.nyud', 'nodes must not'),
    ('mtshare_ros/nodes/video_camera/player.py', 'import mtshare_ros.data.nyud', 'nodes must not'),
    ('mtshare_ros/nodes/perception/a.py', 'import mtshare_ros.recording.frames', 'nodes must'),
    ('mtshare_ros/data/a.py', 'from mtshare_ros.model import network', 'data must not import'),
    ('mtshare_ros/training/a.py', 'from mtshare_ros.cli import main', 'training must not import'),
    ('mtshare_ros/cli/a.py', 'from mtshare_ros.nodes import spin', 'inside the function'),
    ('mtshare_ros/model/a.py', 'from . import network', 'relative import'),
    ('mtshare_ros/extra/a.py', '', 'the package extra has no place'),
    ('mtshare_ros/cli/a.py', 'def f():\n    import rclpy', 'only nodes may import rclpy'),
    ('mtshare_ros/inference/a.py', 'from sensor_msgs.msg import Image', 'import sensor_msgs'),
    ('mtshare_ros/model/a.py', 'import_module("rclpy")', 'only nodes may import rclpy'),
    ('mtshare_ros/training/a.py', 'print(1)', 'only cli prints'),
    ('mtshare_ros/training/a.py', 'from rich.console import Console', 'import rich'),
    ('mtshare_ros/nodes/a.py', 'import pickle', 'pickle is not allowed'),
    ('mtshare_ros/inference/a.py', 'def f():\n    from subprocess import run', 'subprocess is'),
    ('launch/a.launch.py', 'eval("1")', 'eval is not allowed'),
    ('mtshare_ros/nodes/a.py', 'exec("1")', 'exec is not allowed'),
    ('mtshare_ros/model/a.py', 'torch.load(path, weights_only=True)', 'torch.load is not'),
    ('mtshare_ros/training/a.py', 'torch.load(path)', 'torch.load is not allowed'),
    ('mtshare_ros/training/a.py', 'from torch import load', 'write torch.load'),
])
def test_a_violation_is_found(checkout, path, text, expected):
    found = checkout(path, text)

    assert len(found) == 1 and expected in found[0]


@pytest.mark.parametrize('path, text', [
    ('mtshare_ros/nodes/a.py', 'from mtshare_ros.model import network\nimport rclpy'),
    ('mtshare_ros/nodes/sim_camera/a.py', 'from mtshare_ros.data.rooms.video import RoomVideo'),
    ('mtshare_ros/nodes/video_camera/a.py', 'from mtshare_ros.recording import sources'),
    ('mtshare_ros/cli/a.py', 'def f():\n    from mtshare_ros.nodes import spin\n    print(spin)'),
    ('mtshare_ros/training/a.py', 'torch.load(path, weights_only=True)'),
    ('mtshare_ros/inference/a.py', 'network.eval()'),
])
def test_what_is_allowed_is_not_reported(checkout, path, text):
    assert not checkout(path, text)


def test_every_file_stays_short():
    lengths = {path: len(path.read_text().splitlines()) for path in python_files()}

    assert not {path: lines for path, lines in lengths.items() if lines > LONGEST_FILE}


def test_every_function_stays_short():
    assert not [
        (path, name, lines) for path in python_files()
        for name, lines in function_lengths(path) if lines > LONGEST_FUNCTION
    ]


def test_every_file_says_what_it_is_for():
    trees = {path: ast.parse(path.read_text()) for path in python_files()}

    assert not [path for path, tree in trees.items() if not ast.get_docstring(tree)]
