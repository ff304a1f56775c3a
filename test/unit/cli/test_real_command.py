"""``mtshare real`` writes the page, its figures and the pictures that may be published."""

import gzip
import json

import pytest

pytest.importorskip('typer', reason='the command line needs the extra [cli]')
pytest.importorskip('av', reason='videos need the extra [video]')
pytest.importorskip('skimage', reason='the photographs come with the extra [train]')

from typer.testing import CliRunner  # noqa: E402
from video_files import write_numbered  # noqa: E402

from mtshare_ros.cli.app import app  # noqa: E402
from mtshare_ros.report.page import write_real_page  # noqa: E402


@pytest.fixture(scope='module')
def opencv(tmp_path_factory):
    """Return a folder that looks like the package, with short videos of its names."""
    folder = tmp_path_factory.mktemp('opencv')
    write_numbered(folder / 'vtest.avi', 5)
    write_numbered(folder / 'box.mp4', 5)
    cup = write_numbered(folder / 'cup.mp4', 5)
    (folder / 'cup.mp4.gz').write_bytes(gzip.compress(cup.read_bytes()))
    cup.unlink()
    return folder


def run(*words):
    return CliRunner().invoke(app, ['real', *map(str, words)])


def test_the_page_says_what_its_figures_say(tiny_model, opencv, tmp_path):
    (tmp_path / 'real_images_notes.txt').write_text('The cat is a cat.\n')

    result = run(tiny_model, '--output', tmp_path, '--opencv-doc', opencv, '--frames', 3,
                 '--input-size', '96x128', '--device', 'cpu')

    assert result.exit_code == 0, result.output
    figures = json.loads((tmp_path / 'real_images.json').read_text())
    page = (tmp_path / 'real_images.md').read_text()
    assert page == write_real_page(figures, 'The cat is a cat.')
    assert 'The cat is a cat.' in page and '### Cup:' in page and 'Middlebury' in page
    assert set(figures['models']['tiny']['clips']) == {'street', 'box', 'cup'}
    assert figures['models']['tiny']['clips']['street']['frames'] == 2
    assert {picture['file'] for picture in figures['pictures']} == {
        'images/real_photographs_tiny.jpg', 'images/real_cup_tiny.jpg'}
    assert all((tmp_path / picture['file']).is_file() for picture in figures['pictures'])


def test_without_the_videos_the_way_to_them_is_said_before_any_work(tiny_model, tmp_path):
    result = run(tiny_model, '--output', tmp_path / 'out', '--opencv-doc', tmp_path)

    assert result.exit_code == 1
    assert 'holds no vtest.avi; install the package opencv-doc' in result.output
    assert not (tmp_path / 'out').exists()
