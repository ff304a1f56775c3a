"""What README.md and the pages in docs say is what the code does."""

import ast
from pathlib import Path
import re

from doc_pages import anchors, command_lines, PAGES, prose, ROOT
import pytest

README = (ROOT / 'README.md').read_text()
PROSE = '\n'.join(map(prose, PAGES))
LINES = '\n'.join(line for _, line in command_lines())
LINKS = [(page, *link) for page in PAGES
         for link in re.findall(r'\]\(([^)#:\s]*)(?:#([\w-]+))?\)', prose(page))]


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


@pytest.mark.fault(29)
@pytest.mark.parametrize('name', ['outputs', 'perception parameters', 'camera parameters'])
def test_a_table_shows_what_the_node_has(tables, name):
    found = tables.place_of(name).search(README)

    assert found, f'README.md has no place for the table {name}'
    assert found.group(2) == tables.TABLES[name](), 'run: make readme'


@pytest.mark.parametrize('page, path, anchor', LINKS)
def test_a_link_leads_somewhere(page, path, anchor):
    target = page.parent / path if path else page

    assert target.exists()
    assert not anchor or anchor in anchors(target)


@pytest.mark.parametrize('page', [page for page in PAGES if page.parent.name == 'docs'])
def test_the_index_names_every_page(page):
    assert page.name == 'README.md' or f'({page.name})' in (ROOT / 'docs/README.md').read_text()


@pytest.mark.parametrize(
    'target', sorted(set(re.findall(r'(?:`|^)make ([a-z]+)', f'{PROSE}\n{LINES}', re.M))))
def test_a_named_make_target_exists(target):
    assert target in ' '.join(make_targets()).split()


@pytest.mark.parametrize(
    'command', sorted(set(re.findall(r'(?:`|^)mtshare ([a-z]+)', f'{PROSE}\n{LINES}', re.M))))
def test_a_named_command_exists(command):
    assert (ROOT / f'mtshare_ros/cli/{command}.py').is_file()


@pytest.mark.parametrize(
    'name', sorted(set(re.findall(r'\b([a-z_]+\.launch\.py)', f'{PROSE}\n{LINES}'))))
def test_a_named_launch_file_exists(name):
    assert (ROOT / 'launch' / name).is_file()


@pytest.mark.parametrize(
    'line', re.findall(r'ros2 launch mtshare_ros (.+?)$', f'{PROSE}\n{LINES}', re.MULTILINE))
def test_the_launch_arguments_of_an_example_are_declared(line):
    name, *words = line.split('`')[0].split()
    used = {word.split(':=')[0] for word in words if ':=' in word}

    # The others include this launch file and pass its arguments on.
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
