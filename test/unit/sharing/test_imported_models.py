"""Imported models, one of each kind, share as exactly as those of this package."""

from functools import lru_cache
from pathlib import Path
import tempfile

from clips import Camera, room_clip
import numpy as np
from public_models import depth_anything, dinov2, dinov3, saved, tips, write_linear_head
import pytest
import torch

from mtshare_ros.inference.engine import Engine
from mtshare_ros.model.checkpoint import load_checkpoint, save_checkpoint
from mtshare_ros.model.description import TaskThresholds
from mtshare_ros.model.importing.combination import combine_sources, ImportOptions
from mtshare_ros.model.importing.source import open_source

pytest.importorskip('transformers')

DEPTH = 12
VIT = {'hidden_size': 64, 'num_hidden_layers': DEPTH, 'num_attention_heads': 1}
TAPS = (3, 6, 9, 12)
SIZE = (84, 112)
BUILDERS = {
    'linear': lambda: dinov2(VIT, registers=4),
    'metric': lambda: depth_anything(VIT, TAPS, depth_estimation_type='metric', max_depth=20),
    'relative': lambda: depth_anything(VIT, TAPS),
    'tips': lambda: tips(VIT, TAPS),
    'dinov3': lambda: dinov3(VIT),
}
every = pytest.mark.parametrize('name', BUILDERS)


def heads_for(name, folder):
    """Write the heads that a lone backbone needs, and return their paths."""
    if name not in ('linear', 'dinov3'):
        return []
    paths = [folder / 'voc.safetensors', folder / 'nyu.safetensors']
    write_linear_head(paths[0], 'semseg', 4 * 64, 21)
    write_linear_head(paths[1], 'depth', 8 * 64, 64)
    return paths


@lru_cache(maxsize=None)
def checkpoint_of(name):
    """Return a model that was imported, written and read again."""
    size = (96, 128) if name == 'dinov3' else SIZE
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        sources = [saved(BUILDERS[name](), folder / 'public'), *heads_for(name, folder)]
        imported = combine_sources([open_source(path) for path in sources], ImportOptions(size))
        path = folder / 'model.safetensors'
        save_checkpoint(path, imported.checkpoint.network, imported.checkpoint.description)
        return load_checkpoint(path)


def camera(name, temporal=0.1, **sharing):
    checkpoint = checkpoint_of(name)
    engine = Engine(checkpoint, device='cpu', precision='fp32').with_thresholds({
        task: TaskThresholds((temporal,) * DEPTH, (0.0,) * DEPTH)
        for task in checkpoint.network.tasks})
    return Camera(checkpoint.network, tasks=checkpoint.network.tasks, engine=engine, **sharing)


def film(name, frames=4):
    height, width = checkpoint_of(name).description.architecture.input_size
    return np.ascontiguousarray(room_clip('static', noise=1.0)[:frames, :height, :width])


@every
@pytest.mark.parametrize('kind', ['fast', 'accurate'])
def test_a_factor_of_zero_equals_dense(name, kind):
    seen = camera(name, temporal_threshold=0.0, task_threshold=0.0, block=kind)
    for frame in film(name, 3):
        seen.see(frame)
        assert seen.error() < 1e-5


@every
def test_when_every_row_is_forced_the_frame_equals_dense(name):
    seen = camera(name, policy='keyframe', refresh_period=2)
    for number, frame in enumerate(film(name)):
        seen.see(frame)
        assert number % 2 or seen.error() < 1e-5


@every
def test_what_was_not_computed_anew_did_not_change(name):
    seen = camera(name, temporal=0.3, policy='none')
    frame = film(name, 1)[0]
    seen.see(frame)
    seen.see(frame)
    before = seen.outputs()
    assert seen.see(frame).stats.input_fraction == 0
    assert all(torch.equal(seen.raw(task), value) for task, value in before.items())
    changed = frame.copy()
    changed[:14, :14] = 255 - changed[:14, :14]
    assert 0 < seen.see(changed).stats.input_fraction < 0.1
    for task, value in before.items():
        differs = (seen.raw(task) != value).any(dim=1)[0]
        assert 0 < differs.float().mean() < 0.2 and not differs[-1, -1], task
