"""What README.md says is what the code does."""

import ast
from pathlib import Path
import re

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / 'README.md').read_text()


@pytest.fixture(scope='module')
def tables():
    """Import the tables of the nodes, which need the message packages."""
    pytest.importorskip('sensor_msgs', reason='ROS 2 is neither sourced nor installed as wheels')
    return pytest.importorskip('readme_tables')


def launch_arguments(path):
    """Return the names of the arguments that a launch file declares."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    return {call.args[0].value for call in calls if 'DeclareLaunchArgument' in ast.dump(call.func)}


def make_targets():
    """Return the targets of the Makefile."""
    return set(re.findall(r'^([a-z ]+):', (ROOT / 'Makefile').read_text(), re.MULTILINE))


@pytest.mark.parametrize('name', ['outputs', 'perception parameters', 'camera parameters'])
def test_a_table_shows_what_the_node_has(tables, name):
    found = tables.place_of(name).search(README)

    assert found, f'README.md has no place for the table {name}'
    assert found.group(2) == tables.TABLES[name](), 'run: make readme'


@pytest.mark.parametrize('path', sorted(re.findall(r'\]\(([^)#:]+)\)', README)))
def test_a_linked_file_exists(path):
    assert (ROOT / path).exists()


@pytest.mark.parametrize('target', sorted(set(re.findall(r'(?:`|^)make ([a-z]+)', README, re.M))))
def test_a_named_make_target_exists(target):
    assert target in ' '.join(make_targets()).split()


@pytest.mark.parametrize('command', sorted(set(re.findall(r'\bmtshare ([a-z]+)', README))))
def test_a_named_command_exists(command):
    assert (ROOT / f'mtshare_ros/cli/{command}.py').is_file()


@pytest.mark.parametrize('name', sorted(set(re.findall(r'\b([a-z_]+\.launch\.py)', README))))
def test_a_named_launch_file_exists(name):
    assert (ROOT / 'launch' / name).is_file()


@pytest.mark.parametrize(
    'line', re.findall(r'ros2 launch mtshare_ros (.+?)$', README, re.MULTILINE))
def test_the_launch_arguments_of_an_example_are_declared(line):
    name, *words = line.split('`')[0].split()
    used = {word.split(':=')[0] for word in words if ':=' in word}

    # The demo includes the other launch file and passes its arguments on.
    files = {ROOT / 'launch' / name, ROOT / 'launch/perception.launch.py'}
    assert used <= set().union(*map(launch_arguments, files))


def test_the_results_are_what_the_committed_figures_say(monkeypatch):
    if not (ROOT / 'docs/results').is_dir():
        pytest.skip('docs/results does not exist yet: nothing was measured')
    pytest.importorskip('typer', reason='the command line needs the extra [cli]')
    from mtshare_ros.cli.report import report_text

    monkeypatch.chdir(ROOT)
    words = ('docs/results', 'config/train/rooms.yaml', 'docs/results.md')
    expected = report_text(*map(Path, words))

    assert Path('docs/results.md').read_text() == expected, (
        'run: mtshare report {} --recipe {} --output {}'.format(*words))
