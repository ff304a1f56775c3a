"""``mtshare train`` of heads on a frozen backbone, on every kind of data."""

from dataclasses import asdict, replace
import math

import numpy as np
import pytest

pytest.importorskip('typer', reason='the command line needs the extra [cli]')
pytest.importorskip('numba', reason='rendering needs the extra [rooms]')
pytest.importorskip('skimage', reason='PASCAL-Context needs the extra [train]')
pytest.importorskip('tensorboard', reason='the log needs the extra [train]')

from dataset_trees import write_frames, write_labels, write_nyud, write_pascal  # noqa: E402
from tiny import TINY  # noqa: E402
import torch  # noqa: E402
from typer.testing import CliRunner  # noqa: E402
import yaml  # noqa: E402

from mtshare_ros.cli.app import app  # noqa: E402
from mtshare_ros.config import to_values  # noqa: E402
from mtshare_ros.data.rooms.training_frames import open_frames
from mtshare_ros.inference.engine import Engine  # noqa: E402
from mtshare_ros.model.architecture import HeadConfig  # noqa: E402
from mtshare_ros.model.checkpoint import load_checkpoint, save_checkpoint  # noqa: E402
from mtshare_ros.model.description import ModelDescription  # noqa: E402
from mtshare_ros.model.network import (
    backbone_digest,
    build_model,  # noqa: E402
)
from mtshare_ros.tasks import load_labels  # noqa: E402

SHAPE = replace(TINY, stem='patch', patch_size=14, position='absolute', position_grid=(5, 5),
                class_token=True, input_size=(56, 70))
ALL = ('semseg', 'depth', 'normals', 'edge')
PASCAL = ('semseg', 'normals', 'edge', 'human_parts', 'saliency')
HEAD = HeadConfig(taps=(1, 2), channels=8, depth=1, hidden=16)


@pytest.fixture(scope='module')
def backbone(tmp_path_factory):
    path = tmp_path_factory.mktemp('backbone') / 'tiny.safetensors'
    torch.manual_seed(0)
    labels = load_labels('nyu40')
    network = build_model(SHAPE, ('saliency',), len(labels)).eval()
    save_checkpoint(path, network, ModelDescription(
        SHAPE, ('saliency',), labels, None, None, storage='float32'))
    return path


def plain(value):
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return list(value) if isinstance(value, tuple) else value


def train(folder, backbone, data, tasks):
    """Train heads in two rounds of two sizes; return the file of the model."""
    shape = replace(SHAPE, heads=dict.fromkeys(tasks, HEAD))
    phases = [{'input_size': [42, 56], 'batch_size': 2, 'images': 4},
              {'input_size': [56, 70], 'batch_size': 1, 'images': 2}]
    (folder / 'frozen.yaml').write_text(yaml.safe_dump({
        'data': {'name': data, 'varied': 0.5 if data == 'rooms' else 0.0}, 'tasks': list(tasks),
        'architecture': plain(to_values(shape)), 'initial': str(backbone), 'precision': 'fp32',
        'validation_views': 1, 'stages': {'heads': {'phases': phases, 'rounds': 2}}}))
    result = CliRunner().invoke(app, [
        'train', str(folder / 'frozen.yaml'), '--output', str(folder / 'run'), '--root',
        str(folder / 'data'), '--data', str(folder / 'rooms'), '--device', 'cpu'])
    assert result.exit_code == 0, result.output
    return folder / 'run/heads/model.safetensors'


def write_folder(root):
    write_labels(root)
    for split in ('train', 'val'):
        write_frames(root / split, 3)


@pytest.mark.parametrize('data, tasks, write', [
    ('rooms', ALL, None), ('folder', ('semseg', 'depth'), write_folder), ('nyud', ALL, write_nyud),
    ('pascal', PASCAL, write_pascal)])
def test_heads_are_trained_on_every_kind_of_data(tmp_path, backbone, data, tasks, write):
    if write is not None:
        write(tmp_path / 'data')

    path = train(tmp_path, backbone, data, tasks)

    found = load_checkpoint(path)
    own = load_checkpoint(backbone).network.state_dict()
    assert found.description.tasks == tasks
    assert found.description.backbone_sha256 == backbone_digest(own)
    assert found.description.backbone_sha256 == backbone_digest(found.network.state_dict())
    assert (found.description.storage, found.description.depth_scaling) == ('float32', 'view')
    prediction = Engine(found, device='cpu').infer(np.zeros((56, 70, 3), np.uint8))
    assert prediction.mask.shape == (56, 70)


def test_rooms_are_rendered_at_each_size_and_tell_the_focal_length_of_the_networks(
        tmp_path, backbone):
    path = train(tmp_path, backbone, 'rooms', ('depth',))

    description = load_checkpoint(path).description
    small, large = (open_frames(tmp_path / 'rooms' / size / 'frames')
                    for size in ('42x56', '56x70'))
    assert (len(small), len(large)) == (4, 2) and small.meta.varied == 0.5
    # the same view counts as equally deep at either size, as the engine will have it
    kept = np.load(tmp_path / 'run/heads/features/0_42x56/depth.npy')
    assert kept.max() == pytest.approx(small.depth[:4].max(), rel=0.02)
    assert description.focal_length == pytest.approx(35 / math.tan(math.radians(30)))
    assert description.trained_on == f'6 images of rooms from the weights of {backbone}, ' \
                                     'stage heads'


def test_the_shipped_recipe_describes_the_heads_of_the_shipped_model():
    from mtshare_ros.file_paths import share_directory
    from mtshare_ros.training.recipe import load_recipe

    recipe = load_recipe(share_directory() / 'config/train/frozen.yaml')

    heads = recipe.architecture.heads
    assert {head.taps for head in heads.values()} == {(3, 6, 9, 12)}
    assert asdict(heads['depth']) == asdict(heads['edge'])
    assert recipe.stages['heads'].steps == 6 * (600 + 1100 + 390)
