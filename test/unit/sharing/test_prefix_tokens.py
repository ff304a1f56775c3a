"""Class and register tokens: computed whenever anything is, and never counted as patches."""

from functools import lru_cache

from branched import branched_network
from clips import Camera, engine_of, KINDS, room_clip, uniform_thresholds
import numpy as np
import pytest
import torch

from mtshare_ros.model.description import TaskThresholds
from mtshare_ros.sharing.camera_cache import ActivationCache
from mtshare_ros.sharing.plan import PlanBounds
from mtshare_ros.sharing.sharing_network import SharingNetwork
from mtshare_ros.sharing.sharing_settings import SharingSettings
from mtshare_ros.sharing.taps import Tap
from mtshare_ros.tasks import DEFAULT_TASKS

SHAPES = {
    'class': {'class_token': True, 'stem': 'patch', 'position': 'absolute',
              'position_grid': (5, 7)},
    'registers': {'class_token': True, 'register_tokens': 4, 'position': 'rope_centred'},
}
LAST = Tap(4)
PATCHES = 48

shapes = pytest.mark.parametrize('shape', SHAPES)
kinds = pytest.mark.parametrize('kind', KINDS)


@lru_cache(maxsize=None)
def network_of(shape, prefix=2):
    return branched_network(prefix=prefix, **SHAPES[shape])


@lru_cache(maxsize=None)
def engine(shape, prefix=2, temporal=0.1, task=0.1):
    return engine_of(network_of(shape, prefix)).with_thresholds(
        uniform_thresholds(4, temporal=temporal, task=task))


def camera(shape, *, prefix=2, temporal=0.1, task=0.1, **sharing):
    return Camera(network_of(shape, prefix), engine=engine(shape, prefix, temporal, task),
                  **sharing)


def drive(frames=8):
    return room_clip('drive', noise=1.0)[:frames]


def prefix_of(seen, encoder):
    return seen.session.cache.camera.transformer.taps.prefix(LAST, encoder).clone()


def patches_of(seen, encoder):
    return seen.session.cache.camera.transformer.taps.patches(LAST, encoder).clone()


def jumped(frame, row=2, column=3):
    """Return a frame in which one patch is another."""
    frame = frame.copy()
    frame[16 * row:16 * row + 16, 16 * column:16 * column + 16] ^= 255
    return frame


@kinds
@shapes
@pytest.mark.parametrize('prefix', [0, 2, 4])
def test_a_factor_of_zero_equals_dense(shape, kind, prefix):
    seen = camera(shape, prefix=prefix, block=kind)
    for frame in drive(4):
        seen.see(frame)
    assert seen.error() > 1e-4
    seen.use(DEFAULT_TASKS, temporal_threshold=0.0, task_threshold=0.0, block=kind)
    seen.see(drive()[5])
    assert seen.error() < 1e-5


@kinds
@shapes
def test_all_patches_forced_equal_dense(shape, kind):
    seen = camera(shape, refresh_period=1, block=kind)
    for frame in drive():
        assert seen.see(frame).stats.input_fraction == 1
        assert seen.error() < 1e-4


@shapes
def test_the_accurate_block_needs_no_refresh_to_equal_dense(shape):
    seen = camera(shape, temporal=1e-9, task=0.0, block='accurate', policy='none')
    seen.see(drive()[0])
    for column in range(8):
        stats = seen.see(jumped(seen.frame, column % 6, column)).stats
        assert stats.input_fraction < 0.5
        assert seen.error() < 1e-4


@shapes
def test_a_frame_that_stands_for_itself_equals_dense(shape):
    network = network_of(shape)
    engine = SharingNetwork(network, uniform_thresholds(4, temporal=0.1, task=0.1), torch.float32)
    image, cache = torch.from_numpy(drive()[3]).permute(2, 0, 1)[None], ActivationCache()
    with torch.inference_mode():
        work = engine.run_alone(cache, image, DEFAULT_TASKS)
        expected = network(image)
    for task, raw in expected.items():
        assert (cache.camera.heads[task].raw - raw).norm() < 1e-5 * raw.norm()
    assert work.macs == work.dense_macs


@kinds
@shapes
def test_a_frame_without_a_change_computes_nothing(shape, kind):
    seen = camera(shape, policy='none', block=kind)
    seen.see(drive()[0])
    before, prefix = seen.outputs(), prefix_of(seen, 0)
    assert seen.see(drive()[0]).stats.macs == 0
    assert all(torch.equal(value, before[task]) for task, value in seen.outputs().items())
    assert torch.equal(prefix_of(seen, 0), prefix)


@kinds
@shapes
@pytest.mark.parametrize('prefix', [0, 2, 4])
def test_the_prefix_is_computed_in_every_block_where_a_single_patch_enters(shape, kind, prefix):
    # beyond the first block no patch moves enough to be computed
    network = network_of(shape, prefix)
    thresholds = TaskThresholds((1e-3, *(50.0,) * 3), (0.0,) * 4)
    seen = Camera(network, engine=engine(shape, prefix).with_thresholds(
        dict.fromkeys(DEFAULT_TASKS, thresholds)), policy='none', block=kind)
    seen.see(drive()[0])
    encoders = range(4 if network.branches else 1)
    before = [(patches_of(seen, encoder), prefix_of(seen, encoder)) for encoder in encoders]
    stats = seen.see(jumped(drive()[0])).stats
    assert stats.active['semseg'][0] > 0 and stats.active['semseg'][3] == 0
    for encoder, (patches, prefix_index) in enumerate(before):
        assert torch.equal(patches_of(seen, encoder), patches)
        assert (prefix_of(seen, encoder) != prefix_index).any(dim=1).all()


@shapes
def test_patches_that_were_not_recomputed_keep_their_tokens(shape):
    seen = camera(shape, policy='none', temporal=0.2)
    seen.see(drive()[0])
    before = [patches_of(seen, encoder) for encoder in range(4)]
    prefix = [prefix_of(seen, encoder) for encoder in range(4)]
    marks = seen.see(jumped(drive()[0])).stats.activity
    for encoder, task in enumerate(DEFAULT_TASKS):
        kept = torch.from_numpy(marks[task] == 0).flatten()
        assert kept.any()
        assert torch.equal(patches_of(seen, encoder)[kept], before[encoder][kept])
        assert not torch.equal(prefix_of(seen, encoder), prefix[encoder])


@shapes
def test_prefix_tokens_are_never_reused(shape):
    seen = camera(shape, task=1e6)
    for frame in drive(3):
        seen.see(frame)
    own = seen.session.cache.camera.transformer.own[-1]
    tokens = PATCHES + network_of(shape).config.prefix_tokens
    kept = own.base.kept.view(3, tokens, -1).clone()
    stats = seen.see(drive()[3]).stats
    changed = (own.base.kept.view(3, tokens, -1) != kept).any(dim=2)
    assert max(stats.reused['depth']) > 0
    assert changed[:, PATCHES:].all() and not changed[:, :PATCHES].all()


@kinds
@shapes
def test_shares_are_of_patches_and_work_counts_the_prefix_tokens(shape, kind):
    seen = camera(shape, block=kind)
    plain = branched_network(
        **{**SHAPES[shape], 'class_token': False, 'register_tokens': 0})
    first = seen.see(drive()[0]).stats
    bare = Camera(plain, block=kind).see(drive()[0]).stats
    assert all(share == 1 for shares in first.active.values() for share in shares)
    assert first.macs > bare.macs and first.dense_macs > bare.dense_macs
    for frame in drive()[1:]:
        stats = seen.see(frame).stats
        shares = [share for shares in stats.active.values() for share in shares]
        assert max(shares) <= stats.input_fraction or kind == 'accurate'
        assert all(marks.shape == (6, 8) for marks in stats.activity.values())


def test_a_budget_is_one_of_patches():
    network = network_of('class')  # of a patch stem, in which a patch reaches its own patch only
    engine = SharingNetwork(network, uniform_thresholds(4, temporal=0.1, task=0.1), torch.float32)
    cache, settings = ActivationCache(), SharingSettings(policy='none')
    with torch.inference_mode():
        for frame in drive():
            image = torch.from_numpy(frame).permute(2, 0, 1)[None]
            work = engine.run(cache, image, DEFAULT_TASKS, settings,
                              PlanBounds(scene_cut=1.0, budget=9))
            assert work.reset_reason or work.entered <= 9


def test_a_latency_target_is_kept_track_of():
    seen = camera('registers', latency_target_ms=1e-3, refresh_period=5, max_age=12)
    for frame in room_clip('drive', noise=1.0)[:20]:
        assert max(seen.see(frame).stats.oldest_age.values()) <= 12


@kinds
def test_tasks_that_come_and_go_catch_up_with_the_prefix(kind):
    seen = camera('registers', block=kind)
    for number, frame in enumerate(drive()):
        seen.use(DEFAULT_TASKS if number % 3 else ('depth',), block=kind)
        seen.see(frame)
    seen.use(DEFAULT_TASKS, refresh_period=1, block=kind)
    seen.see(drive()[7])
    assert seen.error() < 1e-4


@kinds
def test_two_cameras_in_turns_equal_two_runs_of_their_own(kind):
    clips = drive(), room_clip('static', noise=1.0)[:8]
    alone = []
    for clip in clips:
        seen = camera('registers', block=kind)
        for frame in clip:
            seen.see(frame)
        alone.append(seen.outputs())
    both = [camera('registers', block=kind) for _ in clips]
    for frames in zip(*clips):
        for seen, frame in zip(both, frames):
            seen.see(frame)
    for seen, outputs in zip(both, alone):
        assert all(torch.equal(value, outputs[task]) for task, value in seen.outputs().items())


@kinds
@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_half_precision_stays_close(kind, dtype):
    network = network_of('registers')
    thresholds = uniform_thresholds(4, temporal=0.01, task=0.01)
    raw = {}
    for precision in (torch.float32, dtype):
        engine, cache = SharingNetwork(network, thresholds, precision), ActivationCache()
        with torch.inference_mode():
            for frame in drive(4):
                image = torch.from_numpy(frame).permute(2, 0, 1)[None]
                engine.run(cache, image, DEFAULT_TASKS, SharingSettings(block=kind), PlanBounds())
        raw[precision] = cache.camera.heads['depth'].raw
    assert (raw[dtype] - raw[torch.float32]).norm() < 0.1 * raw[torch.float32].norm()
    assert np.isfinite(raw[dtype].numpy()).all()
