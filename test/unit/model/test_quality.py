"""What was measured of a model at which input size, kept beside it and told where it is run."""

import json
import shutil

import pytest

from mtshare_ros.errors import ModelError
from mtshare_ros.inference.engine import Engine
from mtshare_ros.model.manifest import find_model, load_manifest
from mtshare_ros.model.quality import (
    is_far,
    main_figures,
    quality_at,
    quality_path,
    read_quality,
    say_quality,
    SizeQuality,
    store_quality,
)

NEAR = SizeQuality((96, 128), {'depth': 0.4, 'normals': 14.1}, '24 images of rooms, test')
LARGE = SizeQuality((192, 256), {'depth': 0.6, 'normals': 22.8}, '24 images of rooms, test')


@pytest.fixture
def file(tiny_model, tmp_path):
    """Copy the tiny model, trained at 96x128, to a folder of its own."""
    return find_model(str(shutil.copy(tiny_model, tmp_path / 'mine.safetensors')))


def load(file, *size):
    return Engine.load(str(file.path), device='cpu', input_size=size or None)


def doubts(engine):
    """Return what an engine says of its input size."""
    return [notice for notice in engine.notices if notice.startswith('input_size')]


def test_what_is_stored_is_read_back_and_replaced_size_by_size(file):
    for found in (LARGE, NEAR, SizeQuality((192, 256), {'depth': 0.7}, 'anew')):
        store_quality(file, found)
    assert read_quality(file) == (NEAR, SizeQuality((192, 256), {'depth': 0.7}, 'anew'))
    assert quality_path(file.path).name == 'mine.quality.json'


def test_figures_of_another_file_do_not_count(file):
    store_quality(file, NEAR)
    values = json.loads(quality_path(file.path).read_text())
    quality_path(file.path).write_text(json.dumps({**values, 'sha256': 'of another'}))
    assert read_quality(file) == ()


def test_only_main_figures_of_what_was_scored_are_kept():
    metrics = {'depth': {'rmse': 0.5, 'delta1': 80.0}, 'edge': {'f': float('nan')}}
    assert main_figures(metrics) == {'depth': 0.5}


@pytest.mark.parametrize('text', ['{', '[]', '{"sha256": "a"}', '{"sha256": 1, "sizes": []}',
                                  '{"sha256": "a", "sizes": [{"input_size": [1, 2], "figures": '
                                  '{"colour": 1}, "measured_on": ""}]}'])
def test_damaged_figures_are_named_and_stop_no_engine(file, text):
    quality_path(file.path).write_text(text)
    with pytest.raises(ModelError, match='mine.quality.json: the metrics of the model cannot be'):
        read_quality(file)
    assert any('mine.quality.json: the metrics' in notice for notice in load(file).notices)


@pytest.mark.parametrize('size, far', [
    ((240, 320), False), ((256, 352), False), ((192, 256), False), ((480, 640), True),
    ((176, 240), True), ((240, 640), True)])
def test_a_quarter_more_or_less_on_a_side_is_far(size, far):
    assert is_far(size, (240, 320)) == far


def test_an_engine_far_from_the_size_of_the_training_tells_the_figures_of_both(file):
    for found in (NEAR, LARGE):
        store_quality(file, found)
    notice, = doubts(load(file, 192, 256))
    assert notice.startswith('input_size 192x256 is far from 96x128 (height x width), which this')
    assert 'quality at 192x256: depth RMSE 0.60 m, normals mean angle 22.8° (24 images' in notice
    assert 'quality at 96x128: depth RMSE 0.40 m, normals mean angle 14.1°' in notice


def test_where_nobody_measured_the_way_to_measure_is_told(file):
    notice, = doubts(load(file, 192, 256))
    assert 'quality at 192x256 is not known; measure it: mtshare evaluate MODEL --input-size ' \
        '192x256 --store; run it at 96x128, or train at the size you need' in notice


def test_near_the_size_of_the_training_nothing_is_said(file):
    assert doubts(load(file)) == doubts(load(file, 96, 144)) == []


def test_an_engine_knows_the_quality_at_its_size(file):
    store_quality(file, NEAR)
    engine = load(file)
    assert quality_at(engine.quality, engine.input_size) == NEAR
    assert say_quality(engine.quality, (192, 256)).startswith('quality at 192x256 is not known')


def test_figures_that_cannot_be_written_are_told(file):
    quality_path(file.path).mkdir()
    with pytest.raises(ModelError, match='mine.quality.json: cannot be written: .*copy the model'):
        store_quality(file, NEAR)


def test_the_shipped_models_tell_their_quality_at_two_sizes():
    for name in load_manifest().models:
        known = read_quality(find_model(name))
        assert {(240, 320), (480, 640)} <= {item.input_size for item in known}, name
        assert all(set(item.figures) == {'semseg', 'depth', 'normals', 'edge'} for item in known)
