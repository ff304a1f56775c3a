"""What README.md and the pages in docs say is what the code does."""

import ast
import json
from pathlib import Path
import re

from doc_pages import anchors, command_lines, make_targets, PAGES, prose, ROOT
import pytest

from mtshare_ros.messages.encodings import INPUT_ENCODINGS

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


def named(pattern):
    """Return what a pattern finds in the text and in the shell examples of all pages."""
    found = set(re.findall(pattern, f'{PROSE}\n{LINES}', re.MULTILINE))
    assert found
    return found


@pytest.mark.fault(29)
def test_every_table_shows_what_the_nodes_have(tables):
    for name, table in tables.TABLES.items():
        found = tables.find_table(name)

        assert found, f'{table.page} has no place for the table {name}'
        assert found.group(2) == table.render(), 'run: make readme'


def test_every_link_leads_somewhere():
    dead = []
    for page, path, anchor in LINKS:
        target = page.parent / path if path else page
        if not target.exists() or anchor and anchor not in anchors(target):
            dead.append(f'{page.name}: {path}#{anchor}')

    assert LINKS and not dead


def test_the_index_names_every_page():
    index = (ROOT / 'docs/README.md').read_text()
    pages = [page.name for page in PAGES if page.parent.name == 'docs']

    assert not [name for name in pages if name != 'README.md' and f'({name})' not in index]


def test_every_named_make_target_exists():
    assert named(r'(?:`|^)make ([a-z-]+)') <= make_targets()


def test_every_named_command_exists():
    app = pytest.importorskip('mtshare_ros.cli.app', reason='typer is not installed')

    assert not named(r'(?:`|^)mtshare ([a-z]+)') - set(app.COMMANDS)


def test_every_named_launch_file_exists():
    files = named(r'\b([a-z_]+\.launch\.py)')

    assert not [name for name in files if not (ROOT / 'launch' / name).is_file()]


def test_the_launch_arguments_of_every_example_are_declared():
    # The others include this launch file and pass its arguments on.
    included = launch_arguments(ROOT / 'launch/perception.launch.py')
    for line in named(r'ros2 launch mtshare_ros (.+?)$'):
        name, *words = line.split('`')[0].split()
        used = {word.split(':=')[0] for word in words if ':=' in word}

        assert used <= included | launch_arguments(ROOT / 'launch' / name), line


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


def test_the_page_of_real_images_is_what_its_figures_say():
    from mtshare_ros.report.page import write_real_page

    figures = json.loads((ROOT / 'docs/real_images.json').read_text())
    notes = ROOT / 'docs/real_images_notes.txt'
    expected = write_real_page(figures, notes.read_text() if notes.is_file() else '')

    assert (ROOT / 'docs/real_images.md').read_text() == expected, (
        f'run: {figures["command"]}')


def test_the_interface_lists_every_encoding_that_is_read():
    page = (ROOT / 'docs/interface.md').read_text()
    listed = page.partition('## Encodings')[2].partition('## ')[0]
    table = [line.split('|')[1] for line in listed.splitlines() if line.startswith('| `')]
    named_there = set(re.findall(r'`([a-z_0-9UC]+)`', ''.join(table))) - {'16'}

    assert named_there | {name.replace('8', '16') for name in named_there
                          if name.startswith('bayer')} == set(INPUT_ENCODINGS)


def test_the_readme_tells_the_quality_of_the_model_beside_its_speeds():
    folder = ROOT / 'docs/results/sizes'
    row, = re.findall(r"^\| how good the model's maps are at that size: .*$", README, re.MULTILINE)
    for place, size in enumerate(('240x320', '480x640'), start=2):
        found = json.loads((folder / f'shared-{size}.json').read_text())['metrics']
        expected = (f'{found["semseg"]["miou"]:.1f} %, {found["depth"]["rmse"]:.2f} m, '
                    f'{found["normals"]["mean"]:.1f}°, {found["edge"]["f"]:.1f} %')
        assert row.split('|')[place].strip() == expected
