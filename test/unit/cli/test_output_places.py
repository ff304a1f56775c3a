"""A place that cannot be written is told in one line, before the work begins."""

from pathlib import Path

import pytest

pytest.importorskip('typer', reason='the command line needs the extra [cli]')

from typer.testing import CliRunner  # noqa: E402

from mtshare_ros.cli.app import app  # noqa: E402
from mtshare_ros.errors import ConfigError  # noqa: E402
from mtshare_ros.file_paths import check_new_folder  # noqa: E402

ROOT = Path(__file__).resolve().parents[3]
RECIPE = str(ROOT / 'config/train/rooms.yaml')
PLACES = [
    ['run', 'image.png', '--output', '/proc/out'],
    ['run', 'image.png', '--output', 'out', '--video', '/proc/out.mp4'],
    ['run', 'image.png', '--output', 'image.png/out'],
    ['render', 'clip', '/proc/out'],
    ['render', 'frames', '/proc/out/frames'],
    ['calibrate', 'default', '--output', '/proc/out.safetensors'],
    ['train', RECIPE, '--output', '/proc/out/run'],
    ['report', str(ROOT / 'docs/results'), '--recipe', RECIPE, '--output', '/proc/out.md'],
    ['evaluate', 'default', '--dataset', 'rooms', '--json', '/proc/out.json'],
    ['bench', '--json', '/proc/out.json'],
    ['models', 'list', '--json', '/proc/out.json'],
    ['render', 'clip', 'n' * 300],
]


@pytest.mark.skipif(not Path('/proc/self').exists(), reason='there is no /proc')
@pytest.mark.parametrize('words', PLACES, ids=lambda words: ' '.join(words[:2]))
def test_a_place_that_cannot_be_written_is_told_in_one_line(tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    pillow = pytest.importorskip('PIL.Image', reason='pictures need the extra [cli]')
    pytest.importorskip('av', reason='videos need the extra [video]')
    pillow.new('RGB', (32, 32)).save('image.png')

    result = CliRunner().invoke(app, words)

    assert result.exit_code == 1, result.output
    assert result.output.startswith('mtshare: error: ') and result.output.count('\n') == 1
    assert words[-1] in result.output
    assert [path.name for path in tmp_path.iterdir()] == ['image.png']


def test_a_folder_that_is_to_be_made_may_lie_in_others_that_are_too(tmp_path):
    check_new_folder(tmp_path / 'a/b/c')

    assert not list(tmp_path.iterdir())


def test_a_folder_cannot_be_made_below_a_file(tmp_path):
    (tmp_path / 'file').touch()

    with pytest.raises(ConfigError, match='file is a file; give another place'):
        check_new_folder(tmp_path / 'file/a/b')
