"""Every setting of the engine runs on a GPU, here a pretended one, in every precision."""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from pretended_cuda import pretended_cuda
import pytest
from tiny import TINY
import torch

from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.machine_costs import MachineCosts
from mtshare_ros.inference.prediction import InferenceSettings
from mtshare_ros.model.architecture import HeadConfig
from mtshare_ros.model.checkpoint import Checkpoint
from mtshare_ros.model.deltas import add_random_deltas, branch_out
from mtshare_ros.model.description import ModelDescription
from mtshare_ros.model.network import build_model
from mtshare_ros.sharing.plan import FrameCost
from mtshare_ros.sharing.sharing_settings import SharingSettings
from mtshare_ros.tasks import DEFAULT_TASKS, load_labels

SIZE = (96, 128)
MODELS = {
    'branches': {'branches': True},
    'prefix tokens': {'stem': 'patch', 'position': 'absolute', 'class_token': True,
                      'register_tokens': 2},
    'kinds of heads': {'stem': 'patch', 'position': 'absolute', 'class_token': True, 'heads': {
                           'semseg': HeadConfig(kind='linear', taps=(2, 4), class_token=True),
                           'depth': HeadConfig(kind='dpt', taps=(1, 2, 3, 4), channels=8,
                                               hidden=8, pyramid=(8, 8, 16, 16),
                                               encoding='disparity'),
                           'normals': HeadConfig(channels=8, depth=1),
                           'edge': HeadConfig(channels=8, depth=0, hidden=16, taps=(2, 4))}},
}


@dataclass(frozen=True)
class Run:
    """How the frames of one or several cameras are computed."""

    sharing: SharingSettings = SharingSettings()
    tasks: tuple[tuple[str, ...], ...] = (DEFAULT_TASKS,)
    activity: bool = False
    cameras: int = 1
    shape: tuple[int, int] = SIZE
    model: str = 'branches'
    repeats: bool = True  # what is computed depends on no clock

    def settings(self, number: int) -> InferenceSettings:
        """Return the settings of a frame; the tasks take turns."""
        return InferenceSettings(self.tasks[number % len(self.tasks)], self.sharing,
                                 activity=self.activity)


RUNS = {
    'nothing shared': Run(SharingSettings(temporal=False, task=False)),
    'shared by tasks alone': Run(SharingSettings(temporal=False)),
    'shared in time alone': Run(SharingSettings(task=False)),
    'fast': Run(activity=True),
    'accurate': Run(SharingSettings(block='accurate'), activity=True),
    'halo': Run(SharingSettings(halo=1)),
    'keyframes': Run(SharingSettings(policy='keyframe', refresh_period=2)),
    'no refresh': Run(SharingSettings(policy='none')),
    'a latency target': Run(SharingSettings(latency_target_ms=5.0), repeats=False),
    'one task': Run(tasks=(('depth',),)),
    'two tasks': Run(tasks=(('depth', 'edge'),)),
    'tasks that change': Run(tasks=2 * (DEFAULT_TASKS,) + 2 * (('semseg', 'depth'),)),
    'several cameras': Run(cameras=2),
    'another size of images': Run(shape=(120, 160)),
    'prefix tokens': Run(model='prefix tokens'),
    'prefix tokens, accurate': Run(SharingSettings(block='accurate'), model='prefix tokens'),
    'kinds of heads': Run(model='kinds of heads'),
}


@cache
def checkpoint(model):
    shape = dict(MODELS[model])
    branches = shape.pop('branches', False)
    torch.manual_seed(0)
    network = build_model(replace(TINY, depth=4, **shape), DEFAULT_TASKS, 40).eval()
    if branches:
        network = branch_out(network, 2)
        add_random_deltas(network, density=0.3, granularity='element', scale=0.5)
    return Checkpoint(network, ModelDescription(
        architecture=network.config, tasks=network.tasks, labels=load_labels('nyu40'),
        focal_length=110.0, depth_range=(0.3, 8.0), trained_on='nothing'))


def frames(shape, count=4):
    """Yield images of noise in which a square moves."""
    draw = np.random.default_rng(0)
    still = draw.integers(0, 256, (shape[0] // 8, shape[1] // 8, 3)).repeat(8, 0).repeat(8, 1)
    for number in range(count):
        image = still.astype(np.float32)
        image[32:48, 16 + 4 * number:32 + 4 * number] = 255 - image[32:48, 16:32]
        noisy = image + draw.normal(0, 1.0, image.shape)
        yield noisy.clip(0, 255).astype(np.uint8)


@cache
def engine_of(model, device, precision):
    engine = Engine(checkpoint(model), device=device, precision=precision, input_size=SIZE,
                    fixed_shapes=True)
    engine._costs = MachineCosts(10.0, FrameCost(1.0, 0.1), 1.0)  # no clock decides here
    return engine


def predictions(run, device, precision):
    """Return what the engine sees in every frame of every camera."""
    engine = engine_of(run.model, device, precision)
    sessions = [engine.new_session() for _ in range(run.cameras)]
    return [engine.infer(image, session, run.settings(number))
            for number, image in enumerate(frames(run.shape)) for session in sessions]


@cache
def expected(name):
    return predictions(RUNS[name], 'cpu', 'fp32')


@pytest.fixture(scope='module')
def device():
    with pretended_cuda() as device:
        yield device
    engine_of.cache_clear()


def mean_error(found, wanted):
    """Return the mean difference of two maps, as a share of what the map can hold."""
    if wanted is None or found is None:
        assert wanted is None and found is None
        return 0.0
    if found.dtype == np.uint8 and len(np.unique(wanted)) < 45:
        return float((found != wanted).mean())
    assert np.array_equal(np.isfinite(found), np.isfinite(wanted))
    span = 255 if found.dtype == np.uint8 else max(np.nanmax(np.abs(wanted)), 1e-6)
    return float(np.nanmean(np.abs(found.astype(float) - wanted)) / span)


CASES = [
    pytest.param(name, precision, id=f'{name}, {precision}', marks=[pytest.mark.slow] * (
        precision == 'bf16' and name not in ('fast', 'accurate', 'kinds of heads')))
    for name in RUNS for precision in ('fp32', 'fp16', 'bf16')]


@pytest.mark.parametrize('name, precision', CASES)
def test_every_setting_runs_in_every_precision(device, name, precision):
    most = {'fp32': 1e-3, 'fp16': 0.02, 'bf16': 0.05}[precision]
    found = predictions(RUNS[name], 'cuda:0', precision)
    for each, wanted in zip(found, expected(name), strict=True):
        assert not each.stats.non_finite
        assert len(wanted.stats.active) == len(each.stats.active)
        if not RUNS[name].repeats:
            continue
        for map_name in ('mask', 'depth', 'disparity', 'normals', 'edges'):
            assert mean_error(getattr(each, map_name), getattr(wanted, map_name)) <= most
    if RUNS[name].sharing.temporal:
        assert min(each.stats.input_fraction for each in found) < 0.7
