"""What goes wrong while a camera moves, and what becomes of the maps then."""

from dataclasses import replace

import numpy as np
import pytest
from tiny import TINY
import torch

from mtshare_ros.data.rooms.video import RoomVideo
from mtshare_ros.image_frame import Pinhole
from mtshare_ros.inference.engine import Engine, NON_FINITE
from mtshare_ros.inference.prediction import InferenceSettings
from mtshare_ros.inference.session import SOURCE_CHANGED
from mtshare_ros.model.architecture import HeadConfig
from mtshare_ros.model.checkpoint import Checkpoint, load_checkpoint
from mtshare_ros.model.network import build_model
from mtshare_ros.motion.motion_settings import MotionSettings
from mtshare_ros.motion.rigid import RigidMotion
from mtshare_ros.sharing.sharing_settings import SharingSettings
from mtshare_ros.sharing.stem import StemRunner
from mtshare_ros.tasks import DEFAULT_TASKS

FUSED = MotionSettings('images', fusion=True)
SHARED = MotionSettings('images', sharing=True)
BOTH = MotionSettings('images', fusion=True, sharing=True)
GEOMETRY, RELATIVE = HeadConfig(kind='geometry'), HeadConfig(
    kind='linear', side=1, encoding='disparity')


@pytest.fixture(scope='module')
def engine(tiny_model):
    return Engine(load_checkpoint(tiny_model), device='cpu')


@pytest.fixture(scope='module')
def film():
    video = RoomVideo(seed=1_101_003, motion='pan-4', height=96, width=128)
    return [video.frame(index) for index in range(12)]


def engine_with(description, heads, tasks):
    """Return a tiny model of random weights with other heads."""
    shape = replace(TINY, heads=heads)
    torch.manual_seed(0)
    network = build_model(shape, tasks, 40).eval()
    return Engine(Checkpoint(network, replace(
        description, architecture=shape, tasks=tasks, thresholds={})), device='cpu')


def camera_of(frame):
    k = frame.intrinsics
    return Pinhole(k[0, 0], k[1, 1], k[0, 2], k[1, 2])


def see(engine, session, frame, motion=BOTH, tasks=None, pose=None, **sharing):
    settings = InferenceSettings(tasks or engine.tasks, SharingSettings(**sharing), motion=motion)
    return engine.infer(frame.image, session, settings, camera_of(frame), pose)


def assert_equal(found, expected):
    for name in ('mask', 'confidence', 'depth', 'normals', 'edges'):
        assert np.array_equal(getattr(found, name), getattr(expected, name), equal_nan=True)


@pytest.mark.fault(16)
@pytest.mark.parametrize('motion', [FUSED, SHARED, BOTH])
def test_a_frame_without_numbers_is_not_carried_into_the_next(engine, film, motion, monkeypatch):
    session = engine.new_session()
    for frame in film[:4]:
        see(engine, session, frame, motion)
    original = StemRunner.dense
    with monkeypatch.context() as patched:
        patched.setattr(StemRunner, 'dense', lambda *given: original(*given) * torch.nan)
        spoilt = see(engine, session, film[4], motion, temporal_threshold=0.0)
    found = see(engine, session, film[5], motion)

    assert spoilt.stats.non_finite == DEFAULT_TASKS
    assert found.stats.reset_reason == NON_FINITE
    assert_equal(found, see(engine, engine.new_session(), film[5], motion))


def test_an_image_of_another_size_starts_anew(engine, film):
    session = engine.new_session()
    for frame in film[:3]:
        see(engine, session, frame)
    larger = film[3].image.repeat(2, 0).repeat(2, 1)
    settings = InferenceSettings(engine.tasks, motion=BOTH)
    found = engine.infer(larger, session, settings, camera_of(film[3]))

    assert found.stats.motion.reason == SOURCE_CHANGED
    assert found.depth.shape == (96, 128)


def test_another_input_size_starts_anew(engine, film):
    session = engine.new_session()
    for frame in film[:3]:
        see(engine, session, frame)
    found = see(engine.with_input_size((64, 96)), session, film[3])

    assert found.stats.motion.source == 'none' and found.depth.shape == (64, 96)


def test_a_session_that_is_released_carries_nothing_along(engine, film):
    session = engine.new_session()
    for frame in film[:3]:
        see(engine, session, frame)
    before = session.nbytes()['shared']
    session.release('asked for')

    assert session.moving is None and before > 12 * 96 * 128 * 16
    assert_equal(see(engine, session, film[3]), see(engine, engine.new_session(), film[3]))


def test_frames_that_were_dropped_are_bridged_by_poses(engine, film):
    session, motion = engine.new_session(), MotionSettings('pose', fusion=True)
    for frame in (film[0], film[11]):
        found = see(engine, session, frame, motion,
                    pose=RigidMotion(frame.pose.rotation, frame.pose.position))

    assert found.stats.motion.shift > 10 and found.stats.motion.unseen > 0.05


@pytest.mark.parametrize('motion', [FUSED, BOTH])
def test_relative_depth_is_carried_along_and_never_becomes_metres(tiny_description, film, motion):
    engine = engine_with(tiny_description, {'depth': RELATIVE, 'edge': GEOMETRY},
                         ('semseg', 'depth', 'edge'))
    session = engine.new_session()
    for frame in film[:4]:
        found = see(engine, session, frame, motion)

    assert found.depth is None and np.isfinite(found.disparity).all()
    assert found.stats.motion.confidence > 0.5


def test_tasks_computed_from_depth_keep_the_gates_at_rest_and_the_reason_is_said(
    tiny_description, film
):
    engine = engine_with(tiny_description, {'normals': GEOMETRY}, ('semseg', 'depth', 'normals'))
    session = engine.new_session()
    for frame in film[:4]:
        found = see(engine, session, frame, SHARED)

    assert found.stats.motion.mode != 'moving' and 'normals' in found.stats.motion.reason


def test_blocks_of_the_accurate_kind_keep_the_gates_at_rest_and_the_reason_is_said(engine, film):
    session = engine.new_session()
    for frame in film[:4]:
        found = see(engine, session, frame, SHARED, block='accurate')

    assert found.stats.motion.mode != 'moving' and 'accurate' in found.stats.motion.reason


def test_a_frame_without_a_session_follows_no_motion(engine, film):
    settings = InferenceSettings(engine.tasks, motion=BOTH)
    alone = engine.infer(film[0].image, None, settings)

    assert alone.stats.motion is None
    assert_equal(alone, engine.infer(film[0].image))


def test_maps_that_were_given_out_belong_to_the_caller(engine, film):
    kept, changed = engine.new_session(), engine.new_session()
    for frame in film[:5]:
        expected, found = see(engine, kept, frame), see(engine, changed, frame)
        assert_equal(found, expected)
        for name in ('mask', 'depth', 'normals', 'edges'):
            getattr(found, name)[:] = 0
