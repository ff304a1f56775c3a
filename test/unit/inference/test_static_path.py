"""Frames on lists of fixed lengths through the engine, on the CPU."""

from moving import frames, SIZE
import numpy as np
import pytest

from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.prediction import InferenceSettings
from mtshare_ros.model.checkpoint import load_checkpoint
from mtshare_ros.sharing.sharing_settings import SharingSettings

DEFAULTS = SharingSettings()
EXACT = SharingSettings(temporal=False, task=False)


@pytest.fixture(scope='module')
def lists(tiny_model):
    return Engine(load_checkpoint(tiny_model), device='cpu', input_size=SIZE)


@pytest.fixture(scope='module')
def engine(tiny_model):
    return Engine(load_checkpoint(tiny_model), device='cpu', fixed_shapes=True, input_size=SIZE)


def run(engine, images, sharing=DEFAULTS, tasks=None, **settings):
    """Return the predictions of a new camera, and its session."""
    session = engine.new_session()
    asked = InferenceSettings(tasks or engine.tasks, sharing, **settings)
    return [engine.infer(image, session, asked) for image in images], session


def assert_equal_raws(engine, session, other, other_session, tolerance=1e-5):
    for task in engine.network_tasks:
        found, expected = engine.raw(session, task), other.raw(other_session, task)
        assert (found - expected).abs().max() <= tolerance * expected.abs().max(), task


def test_a_whole_frame_is_that_of_lists_that_shrink(engine, lists):
    (found,), session = run(engine, frames(1))
    (expected,), other = run(lists, frames(1))

    assert_equal_raws(engine, session, lists, other)
    assert np.array_equal(found.mask, expected.mask)
    np.testing.assert_allclose(found.depth, expected.depth, rtol=1e-5)
    assert found.stats.reset_reason == 'first frame'
    assert found.stats.macs == found.stats.dense_macs


def test_without_gates_every_frame_is_whole_and_exact(engine, lists):
    found, session = run(engine, frames(3), EXACT)
    _, other = run(lists, frames(3), EXACT)

    assert [item.stats.input_fraction for item in found] == [1.0] * 3
    assert_equal_raws(engine, session, lists, other)


@pytest.mark.parametrize('sharing', [
    SharingSettings(), SharingSettings(policy='keyframe', refresh_period=5),
    SharingSettings(policy='none'), SharingSettings(halo=1),
    SharingSettings(temporal_threshold=0.5), SharingSettings(refresh_period=6, max_age=9)])
def test_the_patches_that_enter_are_those_of_lists_that_shrink(engine, lists, sharing):
    found, _ = run(engine, frames(8), sharing)
    expected, _ = run(lists, frames(8), sharing)

    for ours, theirs in zip(found, expected):
        assert ours.stats.input_fraction == theirs.stats.input_fraction
        assert ours.stats.refreshed == theirs.stats.refreshed
        assert ours.stats.oldest_age == theirs.stats.oldest_age


def test_a_frame_by_lists_computes_a_part_and_stays_near_the_whole_one(engine, lists):
    found, session = run(engine, frames(6))
    _, other = run(lists, frames(6), EXACT)

    assert 0 < found[-1].stats.input_fraction < 0.5
    assert found[-1].stats.macs < 0.7 * found[-1].stats.dense_macs
    for task in engine.network_tasks:
        error = engine.raw(session, task) - lists.raw(other, task)
        assert error.norm() < 0.3 * lists.raw(other, task).norm(), task


def test_a_still_camera_without_refresh_computes_nothing_and_keeps_its_maps(engine):
    found, _ = run(engine, frames(1) * 3, SharingSettings(policy='none'))

    assert [item.stats.macs for item in found[1:]] == [0, 0]
    assert np.array_equal(found[2].depth, found[0].depth)
    assert found[2].stats.oldest_age['depth'] == 2


def test_lower_thresholds_keep_more_of_the_patches_that_enter(engine):
    shares = []
    for factor in (0.05, 0.5, 1.0, 4.0):
        settings = SharingSettings(temporal_threshold=factor, policy='none')
        found, _ = run(engine, frames(4), settings)
        stats = found[-1].stats
        shares.append(round(stats.active_fraction / stats.input_fraction, 6))

    assert shares == sorted(shares, reverse=True) and shares[0] == 1.0 > shares[-1]


def test_a_scene_cut_starts_anew_and_says_so(engine):
    found, session = run(engine, [*frames(3), *frames(1, seed=5)])

    assert found[-1].stats.reset_reason == 'scene cut'
    assert found[-1].stats.oldest_age['depth'] == 0
    assert session.static.frame == 1


def test_other_tasks_start_anew_with_graphs_and_buffers_of_their_own(engine):
    session = engine.new_session()
    image = frames(1)[0]
    engine.infer(image, session)
    first = session.static
    stats = engine.infer(image, session, InferenceSettings(('depth',))).stats

    assert 'other tasks' in stats.reset_reason and session.static is not first
    assert session.static.network.tasks == ('depth',)


def test_accurate_blocks_go_by_lists_that_shrink_and_leave_nothing_behind(engine):
    session = engine.new_session()
    image = frames(1)[0]
    accurate = InferenceSettings(engine.tasks, SharingSettings(block='accurate'))
    engine.infer(image, session)
    changed = engine.infer(image, session, accurate).stats.reset_reason

    assert changed == 'kind of block changed' and session.static is None
    assert engine.infer(image, session).stats.reset_reason == 'kind of block changed'
    assert session.cache.state is None


def test_two_cameras_do_not_disturb_each_other(engine):
    alone, session = run(engine, frames(4))
    first, second = engine.new_session(), engine.new_session()
    for ours, other in zip(frames(4), frames(4, seed=7)):
        found = engine.infer(ours, first)
        engine.infer(other, second)

    assert np.array_equal(found.depth, alone[-1].depth)
    assert np.array_equal(found.mask, alone[-1].mask)


def test_the_activity_map_shows_what_was_kept_computed_and_refreshed(engine):
    found, _ = run(engine, frames(3), activity=True)
    marks = found[-1].stats.activity['depth']

    assert marks.shape == (SIZE[0] // 16, SIZE[1] // 16)
    assert {0, 2} <= set(np.unique(marks))


def test_a_latency_target_bounds_the_patches_that_enter(engine):
    session = engine.new_session()
    aimed = InferenceSettings(engine.tasks, SharingSettings(latency_target_ms=1e-3))
    for image in frames(6):
        stats = engine.infer(image, session, aimed).stats

    assert stats.input_fraction < 0.1


def test_a_camera_that_was_prepared_starts_with_its_first_frame(engine):
    session = engine.new_session()
    assert engine.prepare(session) == ()
    found = [engine.infer(image, session) for image in frames(4)]
    expected, _ = run(engine, frames(4))

    for ours, theirs in zip(found, expected):
        assert np.array_equal(ours.depth, theirs.depth)
        assert ours.stats.reset_reason == theirs.stats.reset_reason


def test_the_bytes_of_a_session_are_those_of_its_buffers(engine):
    _, session = run(engine, frames(1))

    assert session.nbytes() == {'shared': session.static.nbytes}
    session.release('out of memory')
    assert session.nbytes() == {} and session.static is None
