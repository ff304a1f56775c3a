"""Frames of a camera that moves, through the engine's one door."""

from dataclasses import replace

import numpy as np
import pytest

from mtshare_ros.data.rooms.video import RoomVideo
from mtshare_ros.image_frame import Pinhole
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.prediction import InferenceSettings
from mtshare_ros.motion.motion_settings import MotionSettings
from mtshare_ros.motion.rigid import RigidMotion


@pytest.fixture(scope='module')
def engine():
    return Engine.load('rooms_vit_tiny_shared', device='cpu')


@pytest.fixture(scope='module')
def film():
    video = RoomVideo(seed=1_101_003, motion='pan-4')
    return [video.frame(index) for index in range(6)]


def camera_of(frame):
    k = frame.intrinsics
    return Pinhole(k[0, 0], k[1, 1], k[0, 2], k[1, 2])


def pose_of(frame):
    return RigidMotion(frame.pose.rotation, frame.pose.position)


def following(engine, **motion):
    return InferenceSettings(engine.tasks, motion=MotionSettings(**motion))


def run(engine, film, settings, *, calibrated=True, posed=False):
    """Return the predictions of a film's frames by one session."""
    session = engine.new_session()
    return [engine.infer(frame.image, session, settings, camera_of(frame) if calibrated else None,
                         pose_of(frame) if posed else None) for frame in film]


def depth_error(found, film):
    """Return the error of the depth of the later frames, relative and on average."""
    return np.mean([np.abs(prediction.depth - frame.depth).mean() / frame.depth.mean()
                    for prediction, frame in zip(found[3:], film[3:])])


def test_without_settings_for_motion_nothing_is_followed_or_kept(engine, film):
    session = engine.new_session()
    found = [engine.infer(frame.image, session) for frame in film[:2]]

    assert session.moving is None
    assert all(prediction.stats.motion is None for prediction in found)


def test_maps_that_are_fused_while_the_camera_pans_are_nearer_to_the_truth(engine, film):
    plain = run(engine, film, following(engine, source='off'))
    fused = run(engine, film, following(engine, source='images', fusion=True))

    assert depth_error(fused, film) < 0.99 * depth_error(plain, film)
    assert all(a.depth.shape == b.depth.shape and a.edges.dtype == b.edges.dtype
               for a, b in zip(plain, fused))


def test_the_motion_that_is_reported_is_that_of_the_image(engine, film):
    motion = run(engine, film, following(engine, source='images', fusion=True))[-1].stats.motion

    assert motion.source == 'images' and motion.confidence > 0.5
    assert 2 < motion.shift < 10 and 0 < motion.unseen < 0.1


def test_poses_that_come_with_the_frames_are_taken_as_they_are(engine, film):
    found = run(engine, film, following(engine, source='pose', fusion=True), posed=True)
    missing = run(engine, film, following(engine, source='pose', fusion=True))

    assert [found[-1].stats.motion.source, missing[-1].stats.motion.source] == ['pose', 'images']


def test_where_images_do_not_tell_the_motion_a_pose_stands_in_its_place(engine, film):
    session, settings = engine.new_session(), following(engine, source='images', sharing=True)
    wall = np.full_like(film[0].image, 128)
    unposed = [engine.infer(wall, session, settings, camera_of(film[0])) for _ in range(2)]
    session.reset('asked for')
    posed = [engine.infer(wall, session, settings, camera_of(frame), pose_of(frame))
             for frame in film[:2]]

    assert unposed[1].stats.motion.source == 'images'
    assert posed[1].stats.motion.source == 'pose' and posed[1].stats.motion.shift > 2


def test_a_camera_without_calibration_is_followed_by_its_turns(engine, film):
    found = run(engine, film, following(engine, source='images', fusion=True), calibrated=False)

    assert found[-1].stats.motion.confidence > 0.3
    assert np.isfinite(found[-1].depth).all()


def test_a_reset_lets_nothing_be_carried_along(engine, film):
    session, settings = engine.new_session(), following(engine, source='images', fusion=True)
    for frame in film[:2]:
        engine.infer(frame.image, session, settings, camera_of(frame))
    session.reset('asked for')
    again = engine.infer(film[2].image, session, settings, camera_of(film[2]))
    alone = engine.infer(film[2].image, engine.new_session(), settings, camera_of(film[2]))

    assert again.stats.motion.reason == 'asked for'
    assert np.array_equal(again.depth, alone.depth)


def test_other_tasks_or_switches_begin_anew(engine, film):
    session = engine.new_session()
    engine.infer(film[0].image, session, following(engine, source='images', fusion=True))
    some = InferenceSettings(('depth',), motion=MotionSettings('images', fusion=True))
    found = engine.infer(film[1].image, session, some)

    assert found.mask is None and found.stats.motion.source == 'none'


def test_sharing_under_motion_computes_a_part_and_stays_near_the_dense_maps(engine, film):
    shared = run(engine, film, following(engine, source='images', sharing=True))
    dense = [engine.infer(frame.image) for frame in film]

    assert [prediction.stats.motion.mode for prediction in shared] == ['whole'] + ['moving'] * 5
    assert max(found.stats.macs / found.stats.dense_macs for found in shared[1:]) < 0.6
    same = [np.mean(found.mask == whole.mask) for found, whole in zip(shared[1:], dense[1:])]
    assert min(same) > 0.9


@pytest.mark.parametrize('motion, torn', [('pan-4', False), ('handheld-8', True)])
def test_rows_are_followed_one_by_one_where_the_view_is_torn_apart(engine, motion, torn):
    video, session = RoomVideo(seed=1_101_003, motion=motion), engine.new_session()
    for frame in map(video.frame, range(3)):
        engine.infer(frame.image, session, following(engine, source='pose', sharing=True),
                     camera_of(frame), pose_of(frame))

    offsets = session.moving.state.ring.offsets
    assert (len(offsets.unique(dim=0)) > 50) == torn


def steps_round_cells(prediction, depth):
    """Return by how much a depth map steps, relative, where computed cells meet carried ones."""
    side = depth.shape[0] // 15
    computed = prediction.stats.activity['depth'].reshape(15, -1) > 0
    computed = computed.repeat(side, axis=0).repeat(side, axis=1)
    return np.abs(np.diff(np.log(depth), axis=1))[computed[:, 1:] != computed[:, :-1]]


@pytest.mark.parametrize('fusion', [False, True])
def test_no_steps_show_where_computed_patches_meet_carried_ones(engine, film, fusion):
    settings = following(engine, source='images', sharing=True, fusion=fusion)
    shared = run(engine, film, replace(settings, activity=True))
    carried, whole = (
        np.concatenate([steps_round_cells(found, depth) for found, depth in zip(shared, depths)])
        for depths in ([found.depth for found in shared],
                       [engine.infer(frame.image).depth for frame in film]))

    assert np.median(carried) < 2 * np.median(whole)


def test_what_is_remembered_in_the_order_of_the_world_is_counted(engine, film):
    session = engine.new_session()
    settings = following(engine, source='images', sharing=True)
    for frame in film[:3]:
        engine.infer(frame.image, session, settings, camera_of(frame))
    with_state, heads = session.moving.nbytes, session.moving.state.projected.values()
    session.moving.state = None

    assert with_state - session.moving.nbytes == sum(rows.nbytes for rows in heads) > 3e6


def test_a_camera_that_comes_to_rest_is_computed_by_the_gates_at_rest(engine, film):
    session, settings = engine.new_session(), following(engine, source='images', sharing=True)
    images = [film[0].image, film[1].image, *[film[2].image] * 8]
    ways = [engine.infer(image, session, settings, camera_of(film[0])).stats.motion.mode
            for image in images]

    assert ways[1] == 'moving' and ways[-1] == 'rest'
    assert ways.count('whole') == 2  # the first, and the one after the turn


def test_another_scene_is_computed_whole_and_its_reason_is_said(engine, film):
    session, settings = engine.new_session(), following(engine, source='images', sharing=True)
    other = RoomVideo(seed=1_101_010, motion='pan-4').frame(0)
    for frame in (*film[:2], other):
        found = engine.infer(frame.image, session, settings, camera_of(frame))

    assert found.stats.motion.mode == 'whole' and found.stats.motion.reason
    alone = engine.infer(other.image)
    assert np.mean(found.mask == alone.mask) > 0.95


def test_motion_that_is_switched_off_leaves_no_cache_that_moves_with_the_view(engine, film):
    session = engine.new_session()
    for frame in film[:4]:
        engine.infer(frame.image, session, following(engine, source='images', sharing=True),
                     camera_of(frame))
    found = engine.infer(film[4].image, session)
    alone = engine.infer(film[4].image, engine.new_session())

    assert found.stats.reset_reason and np.array_equal(found.mask, alone.mask)


def test_a_camera_at_rest_has_the_same_maps_with_and_without_motion(engine):
    video = RoomVideo(seed=1_101_003, motion='static-textured')
    film = [video.frame(index) for index in range(6)]
    followed = run(engine, film, following(engine, source='images', sharing=True))
    plain = run(engine, film, following(engine, source='off'))

    assert all(found.stats.motion.mode == 'rest' for found in followed[1:])
    for found, expected in zip(followed, plain):
        assert found.stats.macs == expected.stats.macs
        for name in ('mask', 'confidence', 'depth', 'normals', 'edges'):
            assert np.array_equal(getattr(found, name), getattr(expected, name))


def test_what_was_kept_at_rest_is_carried_along_when_the_camera_moves(engine, film):
    settings = following(engine, source='images', sharing=True)
    still = [film[0]] * 4
    found = run(engine, [*still, *film[1:4]], settings)

    assert [item.stats.motion.mode for item in found[4:]] == ['moving'] * 3
    assert max(item.stats.motion.unseen for item in found[4:]) < 0.1
    dense = [engine.infer(frame.image) for frame in film[1:4]]
    assert min(np.mean(a.mask == b.mask) for a, b in zip(found[4:], dense)) > 0.9
