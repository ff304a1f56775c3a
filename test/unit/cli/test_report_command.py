"""``mtshare report``."""

from dataclasses import replace
import json
from pathlib import Path
import re
import shutil
import sys
from unittest.mock import patch

import pytest

pytest.importorskip('typer', reason='the command line needs the extra [cli]')

from typer.testing import CliRunner  # noqa: E402

from mtshare_ros.cli.app import app  # noqa: E402
from mtshare_ros.cli.report import report_text  # noqa: E402
from mtshare_ros.model.checkpoint import load_checkpoint, save_checkpoint  # noqa: E402
from mtshare_ros.model.deltas import add_random_deltas, branch_out  # noqa: E402

ROOT = Path(__file__).resolve().parents[3]
RECIPE = ROOT / 'config/train/rooms.yaml'
STAGES = """
tasks: [semseg, depth]
stages:
  base: {phases: [{input_size: [48, 64], batch_size: 8, images: 800}]}
  base-temporal: {phases: [{input_size: [48, 64], batch_size: 8, images: 800}]}
  single-task: {phases: [{input_size: [48, 64], batch_size: 8, images: 3200}]}
"""
SMALL = ('--input-size', '48x64')
DEPTH = {'metrics': {'depth': {'rmse': 0.5}}, 'dataset': 'rooms', 'split': 'test', 'images': 2}


def mtshare(*words):
    """Run the command in this process, which has all the libraries loaded."""
    words = [str(word) for word in words]
    with patch.object(sys, 'argv', ['mtshare', *words]):
        return CliRunner().invoke(app, words)


@pytest.fixture
def folder(tmp_path):
    """Return a folder with the figures of one network."""
    (tmp_path / 'figures/images').mkdir(parents=True)
    (tmp_path / 'figures/images/depth-single-task.json').write_text(json.dumps(DEPTH))
    return tmp_path / 'figures'


@pytest.fixture(scope='module')
def measured(tmp_path_factory, tiny_model):
    """Return a folder with what the commands write of a model with delta weights."""
    pytest.importorskip('numba', reason='the rooms need the extra [rooms]')
    folder = tmp_path_factory.mktemp('measured')
    loaded = load_checkpoint(tiny_model)
    network = branch_out(loaded.network, 1)
    add_random_deltas(network, density=0.1)
    model = folder / 'tiny.safetensors'
    save_checkpoint(model, network, replace(loaded.description, architecture=network.config))
    for kind, name, words in (
        ('images', 'shared', ('evaluate', model, '--count', 2, *SMALL)),
        ('clips', 'shared-validation', ('evaluate', model, '--clips', '--split', 'validation',
                                        '--count', 1, '--frames', 3, *SMALL)),
        ('info', 'shared', ('models', 'info', model)),
        ('bench', 'static', ('bench', '--model', model, '--input-size', '48x64', '--frames', 2,
                             '--contenders', 'shared_encoder,combined', '--no-compile')),
    ):
        (folder / kind).mkdir()
        result = mtshare(*words, '--json', folder / kind / f'{name}.json')
        assert result.exit_code == 0, result.output
    return folder


def row_of(text, name):
    """Return the cells of a table's row by what stands first in it."""
    line = next(line for line in text.splitlines() if line.startswith(f'| {name} |'))
    return [cell.strip() for cell in line.strip('|').split('|')[1:]]


def test_the_page_holds_what_the_other_commands_wrote(measured, tmp_path):
    result = mtshare('report', measured, '--recipe', RECIPE, '--output', tmp_path / 'page.md')
    assert result.exit_code == 0, result.output
    text = (tmp_path / 'page.md').read_text()

    for name in ('validation', 'encoder', 'all tasks, heads apart', 'combined',
                 '**the model of all tasks**'):
        # what stands last may be a change to a figure of 0: nothing was trained
        assert 'not measured' not in row_of(text, name)[:-1], name
    assert 5 < float(row_of(text, 'block 1')[0]) < 15  # per cent: it was given 10
    assert row_of(text, "tokens of sub-tasks that reuse the base task's update")[1].endswith(
        ' % in the blocks with delta weights')
    assert re.search('^mtshare bench --model .*tiny.safetensors --input-size 48x64 --frames 2 '
                     '--contenders shared_encoder,combined --no-compile --json .*static.json$',
                     text, re.MULTILINE)
    assert f'wrote {tmp_path / "page.md"}' in result.output


def test_the_images_of_every_run_come_from_the_recipe(folder, tmp_path):
    recipe = tmp_path / 'small.yaml'
    recipe.write_text(STAGES)
    text = report_text(folder, recipe, tmp_path / 'page.md')

    assert row_of(text, 'depth: single-task') == ['3 200', '3 200', '', '0.500', '']
    assert row_of(text, 'semseg: base-temporal')[:2] == ['1 600', '2 400']  # two of a clip count
    assert f'mtshare train {recipe} --output runs/small' in text


def test_only_pictures_that_lie_beside_the_page_are_shown(folder, tmp_path):
    (tmp_path / 'images').mkdir()
    (tmp_path / 'images/results_clip.png').write_bytes(b'')
    text = report_text(folder, RECIPE, tmp_path / 'page.md')

    assert '](images/results_clip.png)' in text
    assert 'results_views.png' not in text


@pytest.mark.parametrize('figures, recipe, output, complaint', [
    ('absent', RECIPE, 'page.md', 'absent holds no results'),
    ('figures', 'absent.yaml', 'page.md', 'absent.yaml: cannot be read'),
    ('figures', ROOT / 'config/train/nyud.yaml', 'page.md', 'targets of a report are for rooms'),
    ('figures', RECIPE, 'absent/page.md', 'there is no folder'),
    ('figures', RECIPE, 'figures', 'is a folder; give the name of a file'),
])
def test_what_cannot_be_written_is_one_line_that_says_why(
        folder, tmp_path, figures, recipe, output, complaint):
    result = mtshare('report', tmp_path / figures, '--recipe', tmp_path / recipe,
                     '--output', tmp_path / output)

    assert result.exit_code == 1
    assert complaint in result.output
    assert not (tmp_path / 'page.md').exists()


def test_the_help_shows_an_example():
    assert 'Examples:\n    mtshare report docs/results' in mtshare('report', '--help').output


def test_a_network_that_saw_other_images_than_the_recipe_says_is_told(tmp_path):
    folder = tmp_path / 'results'
    shutil.copytree(ROOT / 'docs' / 'results', folder)
    (folder / 'images_seen.json').write_text('{"multi-task": 7}')

    text = report_text(folder, RECIPE, tmp_path / 'page.md')

    assert '\n| multi-task | 7 | 7 |' in text
