"""Images whose camera or depths nobody knows: their models are trained, say so, and run."""

from dataclasses import replace
import json

import numpy as np
import pytest

pytest.importorskip('typer', reason='the command line needs the extra [cli]')
pytest.importorskip('rosbags', reason='bags need the extra [bags]')
pytest.importorskip('skimage', reason='PASCAL-Context needs the extra [train]')
pytest.importorskip('tensorboard', reason='the log needs the extra [train]')

from bag_files import IMAGE, INFO, read_bag, write_camera_bag  # noqa: E402
from dataset_trees import write_frames, write_labels, write_pascal  # noqa: E402
from tiny import TINY  # noqa: E402
from typer.testing import CliRunner  # noqa: E402
import yaml  # noqa: E402

from mtshare_ros.cli.app import app  # noqa: E402
from mtshare_ros.config import to_values  # noqa: E402
from mtshare_ros.inference.engine import Engine  # noqa: E402
from mtshare_ros.inference.prediction import InferenceSettings  # noqa: E402
from mtshare_ros.messages.image_messages import read_map  # noqa: E402
from mtshare_ros.model.checkpoint import load_checkpoint  # noqa: E402
from mtshare_ros.model.manifest import load_manifest  # noqa: E402
from mtshare_ros.model.registration import describe_file, entry_text, register  # noqa: E402
from mtshare_ros.sharing.sharing_settings import SharingSettings  # noqa: E402

SIZE = (48, 64)
PASCAL_TASKS = ('semseg', 'normals', 'edge', 'human_parts', 'saliency')
SHARING = SharingSettings(crossover=1.0)


def run(*words):
    """Run the command in this process; return what it printed."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result.output


def write_recipe(path, data, tasks, **values):
    """Write a recipe of two stages with two steps each, and the model of all tasks after them."""
    shape = to_values(replace(TINY, input_size=SIZE, shared_blocks=1))
    phase = {'input_size': list(SIZE), 'batch_size': 2, 'images': 4}
    path.write_text(yaml.safe_dump({
        'data': {'name': data}, 'tasks': list(tasks), 'precision': 'fp32', 'validation_views': 1,
        'architecture': {name: list(value) if isinstance(value, tuple) else value
                         for name, value in shape.items()},
        'stages': {'base': {'phases': [phase]}, 'delta-weights': {'phases': [phase]}}, **values}))
    return path


def train(folder, data, tasks, **values):
    recipe = write_recipe(folder / 'recipe.yaml', data, tasks, **values)
    run('train', recipe, '--output', folder / 'run', '--root', folder / 'data', '--device', 'cpu')
    return folder / 'run/model.safetensors'


@pytest.fixture(scope='module')
def pascal(tmp_path_factory):
    """Train on PASCAL-Context, which has neither depths nor a camera; return the model's file."""
    folder = tmp_path_factory.mktemp('pascal')
    write_pascal(folder / 'data')
    return train(folder, 'pascal', PASCAL_TASKS, labels='pascal21')


@pytest.fixture(scope='module')
def without_camera(tmp_path_factory):
    """Train on a folder with depths, but without camera.yaml; return the model's file."""
    folder = tmp_path_factory.mktemp('without_camera')
    write_labels(folder / 'data')
    for split in ('train', 'val'):
        write_frames(folder / 'data' / split, 3)
    return train(folder, 'folder', ('semseg', 'depth'))


def test_a_model_says_what_nobody_knows(pascal, without_camera):
    found = [load_checkpoint(path).description for path in (pascal, without_camera)]
    assert [item.focal_length for item in found] == [None, None]
    assert [item.depth_range for item in found] == [None, (1.0, 3.0)]
    assert found[0].tasks == PASCAL_TASKS and len(found[0].labels) == 21


def test_a_folder_without_depths_keeps_the_focal_length_of_its_camera(tmp_path):
    write_labels(tmp_path / 'data')
    (tmp_path / 'data/camera.yaml').write_text(
        '{width: 64, height: 48, fx: 60.0, fy: 60.0, cx: 31.5, cy: 23.5}')
    for split in ('train', 'val'):
        write_frames(tmp_path / 'data' / split, 2, tasks=['semseg'])
    run('train', write_recipe(tmp_path / 'recipe.yaml', 'folder', ['semseg']), '--output',
        tmp_path / 'run', '--root', tmp_path / 'data', '--device', 'cpu', '--stage', 'base')
    description = load_checkpoint(tmp_path / 'run/semseg/base/model.safetensors').description
    assert (description.focal_length, description.depth_range) == (60.0, None)


def test_the_description_of_such_a_model_can_be_read(pascal, without_camera, tmp_path):
    assert 'focal length of the training images not known, range of the depths not known' \
        in run('models', 'info', pascal, '--json', tmp_path / 'info.json')
    assert 'not known' in json.loads((tmp_path / 'info.json').read_text())['camera']
    assert 'not known, depths 1.0 to 3.0 m' in run('models', 'info', without_camera)


def test_such_a_model_can_be_registered_and_listed(pascal, tmp_path):
    copy = tmp_path / 'mine.safetensors'
    copy.write_bytes(pascal.read_bytes())
    (tmp_path / 'manifest.yaml').write_text('default: mine\nmodels:\n')
    entry = describe_file(copy, load_checkpoint(copy).description)
    (tmp_path / 'manifest.yaml').write_text('default: mine\nmodels:\n' + entry_text('mine', entry))
    register('mine', entry, tmp_path)
    found = load_manifest(tmp_path).models['mine']
    assert found == entry and found.focal_length is found.depth_range is None


def test_every_task_of_pascal_is_scored_by_evaluate(pascal, tmp_path):
    run('evaluate', pascal, '--dataset', 'pascal', '--root', pascal.parents[1] / 'data',
        '--input-size', '48x64', '--device', 'cpu', '--json', tmp_path / 'figures.json')
    assert set(json.loads((tmp_path / 'figures.json').read_text())['metrics']) == set(PASCAL_TASKS)


def test_a_bag_is_computed_with_the_depths_as_the_network_gives_them(without_camera, tmp_path):
    bag = write_camera_bag(tmp_path / 'in', 2)
    run('bag', bag, tmp_path / 'out', '--model', without_camera, '--input-size', '96x128',
        '--topics', 'depth/image,depth/camera_info,semantic/mask,depth/points', '--device', 'cpu')
    found = read_bag(tmp_path / 'out')
    engine = Engine(load_checkpoint(without_camera), device='cpu', input_size=(96, 128))
    source = read_bag(bag)[IMAGE][0][1]
    expected = engine.infer(read_map(source), None, InferenceSettings(engine.tasks, SHARING))
    np.testing.assert_array_equal(read_map(found['/depth/image'][0][1]), expected.depth)
    assert len(found['/depth/points']) == len(found['/depth/camera_info']) == 2
    assert INFO in read_bag(bag)


def test_the_maps_of_a_pascal_model_fill_a_bag(pascal, tmp_path):
    run('bag', write_camera_bag(tmp_path / 'in', 2), tmp_path / 'out', '--model', pascal,
        '--device', 'cpu')
    found = read_bag(tmp_path / 'out')
    assert {'/semantic/mask', '/normals/image', '/edges/image'} <= set(found)
    assert not any(topic.startswith('/depth') for topic in found)
