"""``mtshare evaluate``."""

import json

import pytest

pytest.importorskip('typer', reason='the command line needs the extra [cli]')
pytest.importorskip('numba', reason='the rooms need the extra [rooms]')
Image = pytest.importorskip('PIL.Image', reason='the sheet needs the extra [cli]')

from mtshare_ros.cli.evaluate import FIGURES  # noqa: E402


def test_figures_go_to_the_table_the_json_file_and_the_sheet(command, tiny_model, tmp_path):
    result = command('evaluate', tiny_model, '--split', 'validation', '--views', 3,
                     '--json', 'figures.json', '--sheet', 'maps.png')
    assert result.returncode == 0, result.stderr
    report = json.loads((tmp_path / 'figures.json').read_text())
    assert (report['model'], report['split'], report['views']) == ('tiny', 'validation', 3)
    assert {(task, key) for task, figures in report['metrics'].items() for key in figures} \
        == set(FIGURES)
    assert f'{report["metrics"]["depth"]["rmse"]:.3f}' in result.stdout
    with Image.open(tmp_path / 'maps.png') as sheet:
        assert sheet.width == 1800
        assert sheet.height > 3 * 100


@pytest.mark.parametrize('words, complaint', [
    (['--views', '100000'], 'views is 100000; the split test has 1 to'),
    (['--sheet', 'maps.jpg'], "--sheet is 'maps.jpg'"),
    (['--json', 'absent/figures.json'], 'there is no folder'),
    (['--device', 'abacus'], "device is 'abacus'; allowed are"),
])
def test_what_cannot_be_done_is_refused_before_the_work(command, tiny_model, words, complaint):
    result = command('evaluate', tiny_model, *words)
    assert result.returncode == 1
    assert complaint in result.stderr
    assert 'Traceback' not in result.stderr


def test_without_the_renderer_the_extra_is_named(command, tiny_model):
    result = command('evaluate', tiny_model, '--views', '1', without='numba')
    assert result.returncode == 1
    assert "pip install 'mtshare_ros[rooms]'" in result.stderr
