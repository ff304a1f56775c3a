"""
What the sharing engine must keep to, whatever it saves.

Frames never run dense for speed here, so every row goes through gathering and scattering.
"""

from branched import branched_network
from clips import (
    Camera,
    camera,
    engine_of,
    KINDS,
    room_clip,
    shared_engine,
    shared_network,
    uniform_thresholds,
)
import numpy as np
import pytest
import torch

from mtshare_ros.data.rooms.camera_paths import MOTIONS
from mtshare_ros.model.deltas import add_random_deltas
from mtshare_ros.tasks import DEFAULT_TASKS

SUB_TASKS = DEFAULT_TASKS[1:]
NOISES = (0.0, 1.0)
PAIRWISE = [(motion, noise, KINDS[(number + place) % 2])
            for number, motion in enumerate(MOTIONS) for place, noise in enumerate(NOISES)]
"""Motions, noises and blocks of which every two meet."""


def equal(first, second):
    """Tell whether raw outputs of the same tasks are the same bit for bit."""
    return all(torch.equal(first[task], second[task]) for task in first)


@pytest.mark.fault(22)
@pytest.mark.parametrize('noise', NOISES)
@pytest.mark.parametrize('motion', MOTIONS)
def test_a_factor_of_zero_equals_dense(motion, noise):
    seen = camera(temporal_threshold=0.0, task_threshold=0.0)
    for number, frame in enumerate(room_clip(motion, noise=noise)):
        seen.see(frame)
        assert number % 3 or seen.error() < 1e-5


@pytest.mark.parametrize('noise', NOISES)
@pytest.mark.parametrize('kind', KINDS)
def test_a_factor_of_zero_equals_dense_after_any_other(kind, noise):
    seen = camera(block=kind)
    clip = room_clip('drive', noise=noise)
    for start in range(0, 40, 10):
        for frame in clip[start:start + 9]:
            seen.see(frame)
        assert seen.error() > 1e-4
        seen.use(DEFAULT_TASKS, temporal_threshold=0.0, task_threshold=0.0, block=kind)
        seen.see(clip[start + 9])
        assert seen.error() < 1e-5
        seen.use(DEFAULT_TASKS, block=kind)


@pytest.mark.parametrize(('motion', 'noise', 'kind'), PAIRWISE)
def test_a_refresh_period_of_one_equals_dense(motion, noise, kind):
    seen = camera(refresh_period=1, block=kind)
    for number, frame in enumerate(room_clip(motion, noise=noise)):
        stats = seen.see(frame).stats
        assert stats.input_fraction == 1 and (not number or not stats.reset_reason)
        assert number % 3 or seen.error() < 1e-4


def boxes(frames, generator):
    """Yield noise-free frames in which a few patches jump and all others stay bit-equal."""
    frame = generator.integers(0, 256, (96, 128, 3), dtype=np.uint8)
    for _ in range(frames):
        frame = frame.copy()
        for row, column in generator.integers((0, 0), (6, 8), (3, 2)):
            patch = (slice(16 * row, 16 * row + 16), slice(16 * column, 16 * column + 16))
            frame[patch] = generator.integers(0, 256, (16, 16, 3))
        yield frame


def exact_camera(kind):
    """Return a camera whose gates let every real change pass, without refresh."""
    network = shared_network()
    engine = shared_engine().with_thresholds(
        uniform_thresholds(network.config.depth, temporal=1e-9, task=0.0))
    return Camera(network, engine=engine, block=kind, policy='none')


def test_the_accurate_block_needs_no_refresh_to_equal_dense():
    seen = exact_camera('accurate')
    for number, frame in enumerate(boxes(50, np.random.default_rng(0))):
        stats = seen.see(frame).stats
        assert seen.error() < 1e-4
        assert number == 0 or stats.input_fraction < 0.5


def test_the_fast_block_alone_does_go_stale():
    seen = exact_camera('fast')
    for frame in boxes(10, np.random.default_rng(0)):
        seen.see(frame)
    assert seen.error() > 0.01


def without_and_with_first_deltas(density):
    """Return a network of equal tasks, and one with delta weights just above the shared blocks."""
    plain, changed = branched_network(density=0), branched_network(density=0)
    add_random_deltas(changed, density=density, granularity='element', scale=0.5)
    for task in SUB_TASKS:
        later = changed.branches[task].blocks[1:]
        later.load_state_dict(plain.branches[task].blocks[1:].state_dict())
    return plain, changed


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('threshold', [0.01, 0.3, 10.0, 1e6])
def test_delta_weights_right_above_the_shared_blocks_act_at_every_task_threshold(threshold, kind):
    outputs = []
    for network in without_and_with_first_deltas(0.3):
        engine = engine_of(network).with_thresholds(
            uniform_thresholds(network.config.depth, temporal=0.02, task=threshold))
        seen = Camera(network, engine=engine, block=kind)
        for frame in room_clip('drive', noise=1.0)[:8]:
            seen.see(frame)
        outputs.append(seen.outputs())
    plain, changed = outputs
    assert torch.equal(plain['semseg'], changed['semseg'])
    for task in SUB_TASKS:
        assert (changed[task] - plain[task]).norm() > 1e-3 * plain[task].norm()


def test_without_temporal_sharing_tokens_are_still_reused_and_the_base_is_exact():
    seen = camera(temporal=False)
    for frame in room_clip('drive', noise=1.0)[:10]:
        stats = seen.see(frame).stats
        dense = seen.dense()['semseg']
        assert (seen.raw('semseg') - dense).norm() < 1e-5 * dense.norm()
    assert stats.active['depth'][:2] == (1.0, 1.0)
    assert stats.reused['depth'][3] > 0


def test_without_task_sharing_no_token_is_reused():
    seen = camera(task=False)
    for frame in room_clip('drive', noise=1.0)[:10]:
        stats = seen.see(frame).stats
        assert not any(share for shares in stats.reused.values() for share in shares)


@pytest.mark.fault(22)
@pytest.mark.parametrize('noise', NOISES)
@pytest.mark.parametrize('kind', KINDS)
def test_a_scene_that_stops_converges_to_dense_within_depth_periods(kind, noise):
    period, depth = 6, shared_network().config.depth
    seen = camera(refresh_period=period, block=kind)
    clip = room_clip('drive', noise=noise)
    for frame in clip[:20]:
        seen.see(frame)
    moving = seen.error()
    for _ in range(depth * period):
        seen.see(clip[19])
    assert moving > 0.01
    assert seen.error() < 1e-5


def test_with_keyframes_a_scene_that_stops_is_dense_after_one_period():
    seen = camera(refresh_period=6, policy='keyframe')
    clip = room_clip('drive', noise=1.0)
    for frame in clip[:20]:
        seen.see(frame)
    for _ in range(6):
        seen.see(clip[19])
    assert seen.error() < 1e-4


def moved_on(seen, frames=8):
    """Let a camera see some frames of a room, so that its session has something to forget."""
    for frame in room_clip('drive', noise=1.0)[:frames]:
        seen.see(frame)
    return seen


@pytest.mark.fault(10)
def test_a_reset_is_a_cold_start_bit_for_bit(kind_and_frame):
    kind, frame = kind_and_frame
    seen, cold = moved_on(camera(block=kind)), camera(block=kind)
    seen.session.reset('clock jumped')
    told = seen.see(frame)
    fresh = cold.see(frame)
    assert told.stats.reset_reason == 'clock jumped'
    assert equal(seen.outputs(), cold.outputs())
    assert np.array_equal(told.mask, fresh.mask) and np.array_equal(told.depth, fresh.depth)


@pytest.fixture(params=KINDS)
def kind_and_frame(request):
    return request.param, room_clip('pan', noise=1.0)[7]


def test_a_scene_cut_is_a_cold_start_bit_for_bit(kind_and_frame):
    kind, frame = kind_and_frame
    seen, cold = moved_on(camera(block=kind, scene_cut_fraction=0.9)), camera(block=kind)
    stats = seen.see(255 - frame).stats
    cold.see(255 - frame)
    assert stats.reset_reason == 'scene cut'
    assert equal(seen.outputs(), cold.outputs())


def test_another_kind_of_block_is_a_cold_start_bit_for_bit(kind_and_frame):
    kind, frame = kind_and_frame
    seen, cold = moved_on(camera()), camera(block=kind)
    seen.use(DEFAULT_TASKS, block='accurate')
    moved_on(seen, 1)
    seen.use(DEFAULT_TASKS, block=kind)
    seen.session.reset('test')
    seen.see(frame)
    cold.see(frame)
    assert equal(seen.outputs(), cold.outputs())


def test_a_task_left_out_at_a_reset_starts_cold_when_it_comes_back(kind_and_frame):
    kind, frame = kind_and_frame
    seen, cold = moved_on(camera(block=kind)), camera(block=kind)
    seen.use(('semseg',), block=kind)
    seen.session.reset('test')
    seen.see(frame)
    seen.use(DEFAULT_TASKS, block=kind)
    seen.see(frame)
    cold.see(frame)
    assert equal(seen.outputs(), cold.outputs())


def test_a_task_left_out_while_every_token_changed_but_not_every_patch_comes_back_exact():
    network = branched_network(prefix=4)
    engine = engine_of(network).with_thresholds(uniform_thresholds(4, temporal=1e-9, task=0.0))
    seen = Camera(network, engine=engine, block='accurate', policy='none')
    first, second = np.random.default_rng(0).integers(0, 256, (2, 96, 128, 3), dtype=np.uint8)
    chequered = np.indices((6, 8)).sum(axis=0).repeat(16, 0).repeat(16, 1)[..., None] % 2
    seen.see(first)
    seen.use(('semseg',), block='accurate', policy='none')
    stats = seen.see(np.where(chequered, first, second)).stats
    seen.use(DEFAULT_TASKS, block='accurate', policy='none')
    seen.see(seen.frame)

    assert stats.input_fraction == 1 and not stats.reset_reason
    assert seen.error() < 1e-4


@pytest.mark.fault(23)
@pytest.mark.parametrize('kind', KINDS)
def test_two_cameras_in_turns_equal_two_runs_of_their_own(kind):
    clips = room_clip('drive', noise=1.0)[:25], room_clip('static', noise=1.0)[:25]
    alone = []
    for clip in clips:
        seen = camera(block=kind)
        for frame in clip:
            seen.see(frame)
        alone.append(seen.outputs())
    both = camera(block=kind), camera(block=kind)
    for frames in zip(*clips):
        for seen, frame in zip(both, frames):
            seen.see(frame)
    assert all(equal(seen.outputs(), outputs) for seen, outputs in zip(both, alone))
