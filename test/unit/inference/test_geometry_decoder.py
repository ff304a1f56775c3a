"""Normals and edges of a model without weights for them follow its depth, cell by cell."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from tiny import TINY
import torch

from mtshare_ros.data.rooms.video import RoomVideo
from mtshare_ros.errors import ConfigError, ModelError
from mtshare_ros.image_frame import frame_to_cover, Pinhole
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.map_outputs import (
    choose_outputs,
    MapColors,
    maps_of,
    offered_outputs,
)
from mtshare_ros.inference.prediction import InferenceSettings
from mtshare_ros.model.architecture import HeadConfig
from mtshare_ros.model.checkpoint import Checkpoint
from mtshare_ros.model.network import build_model
from mtshare_ros.recording.frames import Perception, RecordedFrame
from mtshare_ros.sharing.sharing_settings import SharingSettings

BY_GEOMETRY = {'normals': HeadConfig(kind='geometry'), 'edge': HeadConfig(kind='geometry')}
METRES = HeadConfig(kind='linear', side=1, encoding='metres', depth_range=(0.1, 10.0))
DISPARITY = HeadConfig(kind='linear', side=1, encoding='disparity')


def engine_of(description, heads=BY_GEOMETRY, tasks=('semseg', 'depth', 'normals', 'edge')):
    """Return a tiny model of random weights whose depth is not all the same."""
    shape = replace(TINY, heads=dict(heads))
    torch.manual_seed(0)
    network = build_model(shape, tasks, 40).eval()
    with torch.no_grad():
        for head in network.heads.values():
            for parameter in head.parameters():
                parameter.mul_(2)
    return Engine(Checkpoint(network, replace(
        description, architecture=shape, tasks=tasks, thresholds={})), device='cpu')


@pytest.fixture(scope='module', params=['depth', 'depth and classes'])
def engine(tiny_description, request):
    classes = ('semseg',) if request.param != 'depth' else ()
    return engine_of(tiny_description, tasks=(*classes, 'depth', 'normals', 'edge'))


@pytest.fixture(scope='module')
def labelled(tiny_description):
    return engine_of(tiny_description)


@pytest.fixture(scope='module')
def frames():
    video = RoomVideo(seed=9000, motion='static', height=96, width=128)
    return [video.frame(30 * number).image for number in range(6)]


def run(engine, frames, tasks=None, camera=None, session=None, **sharing):
    session = session or engine.new_session()
    settings = InferenceSettings(tasks or engine.tasks, SharingSettings(crossover=1.0, **sharing))
    return [engine.infer(frame, session, settings, camera) for frame in frames]


def assert_alike(found, expected):
    """Compare maps that were decoded in pieces of other sizes: bytes may differ by one."""
    assert np.abs(found.edges.astype(int) - expected.edges).max() <= 1
    assert np.allclose(found.normals, expected.normals, atol=2e-3, equal_nan=True)


def test_a_model_without_weights_for_normals_and_edges_gives_both(engine, frames):
    found, = run(engine, frames[:1])
    assert engine.tasks[-3:] == ('depth', 'normals', 'edge')
    assert engine.network_tasks == engine.tasks[:-2]
    assert found.normals.shape == (96, 128, 3) and found.edges.shape == (96, 128)
    assert np.allclose(np.linalg.norm(found.normals, axis=-1), 1, atol=1e-5)
    assert found.edges.max() > 64


def test_they_are_made_of_the_depth_and_its_camera(engine, frames):
    one, = run(engine, frames[:1], camera=Pinhole(100, 100, 63.5, 47.5))
    other, = run(engine, frames[:1], camera=Pinhole(300, 300, 63.5, 47.5))
    assert np.array_equal(one.depth, other.depth)
    assert np.abs(one.normals[..., 2]).mean() > np.abs(other.normals[..., 2]).mean() + 0.05


def test_a_camera_that_changes_changes_all_normals(engine, frames):
    session = engine.new_session()
    cameras = Pinhole(100, 100, 63.5, 47.5), Pinhole(300, 300, 63.5, 47.5)
    run(engine, frames[:1], camera=cameras[0], session=session)
    found, = run(engine, frames[:1], camera=cameras[1], session=session)
    expected, = run(engine, frames[:1], camera=cameras[1])
    assert found.stats.macs < expected.stats.macs
    assert_alike(found, expected)


def test_with_a_threshold_of_zero_they_are_those_of_a_dense_frame(engine, frames):
    found = run(engine, frames, temporal_threshold=0.0, task_threshold=0.0)[-1]
    assert_alike(found, engine.infer(frames[-1]))


@pytest.mark.parametrize('task', ['normals', 'edge'])
def test_what_is_not_computed_again_does_not_change(engine, frames, task):
    session, settings = engine.new_session(), InferenceSettings(
        (task,), SharingSettings(crossover=1.0, policy='none'))
    engine.infer(frames[0], session, settings)
    known = engine.raw(session, task).clone()
    moved = frames[0].copy()
    moved[:16, :16] = 255 - moved[:16, :16]  # one patch in a corner
    prediction = engine.infer(moved, session, settings)
    changed = (engine.raw(session, task) != known)[0].any(dim=0).view(6, 4, 8, 4)
    cells = changed.any(dim=3).any(dim=1)
    assert 0 < prediction.stats.input_fraction < 0.5
    assert cells[0, 0] and not cells[:, 6:].any()


@pytest.mark.parametrize('task', ['normals', 'edge'])
def test_single_patches_give_the_bits_of_the_whole_map(engine, frames, task):
    session, settings = engine.new_session(), InferenceSettings((task,), SharingSettings())
    for frame in frames:
        engine.infer(frame, session, settings)
    raw = engine.raw(session, task).clone()
    session.derived[task].frame = -1  # as if it had missed a frame: all is worked out again
    engine.infer(frames[-1], session, settings)
    assert torch.equal(engine.raw(session, task), raw)


@pytest.mark.parametrize('task', ['normals', 'edge'])
def test_a_task_asked_for_again_catches_up(engine, frames, task):
    session = engine.new_session()
    run(engine, frames[:2], (task,), session=session)
    run(engine, frames[2:5], ('depth',), session=session)
    found = run(engine, frames[5:], (task,), session=session)[-1].map_of(task)
    expected = run(engine, frames, (task,))[-1].map_of(task)
    assert np.allclose(found, expected, atol=1.01 if task == 'edge' else 2e-3)


def test_normals_alone_compute_the_depth_and_do_not_show_it(engine, frames):
    found, = run(engine, frames[:1], ('normals',))
    assert found.normals is not None and found.depth is None and found.mask is None
    assert set(found.stats.active) == {'depth', 'normals'}
    assert found.stats.active['normals'] == found.stats.active['depth']
    assert found.stats.oldest_age['normals'] == 0


def test_edges_alone_compute_the_classes_as_well(labelled, frames):
    found, = run(labelled, frames[:1], ('edge',))
    assert found.edges is not None and found.depth is None and found.mask is None
    assert set(found.stats.active) == {'semseg', 'depth', 'edge'}


def test_depth_beside_normals_is_kept_up_to_date_while_nobody_asks_for_it(engine, frames):
    session = engine.new_session()
    run(engine, frames[:5], ('normals',), session=session)
    found = run(engine, frames[5:], ('depth',), session=session)[-1]
    assert np.array_equal(found.depth, run(engine, frames, ('depth',))[-1].depth)


def test_a_frame_that_stands_for_itself_has_them_too(engine, frames):
    alone = engine.infer(frames[0])
    assert_alike(run(engine, frames[:1])[0], alone)


def test_the_factor_of_the_normals_gates_their_depth(engine, frames):
    exact = run(engine, frames, ('normals',), temporal_thresholds={'normals': 0.0})[-1]
    loose = run(engine, frames, ('normals',), temporal_thresholds={'normals': 10.0})[-1]
    assert exact.stats.macs > loose.stats.macs


def test_the_activity_of_normals_is_that_of_their_depth(engine, frames):
    session = engine.new_session()
    settings = InferenceSettings(('normals',), SharingSettings(), activity=True)
    activity = [engine.infer(frame, session, settings) for frame in frames][-1].stats.activity
    assert np.array_equal(activity['normals'], activity['depth'])


def test_the_memory_of_what_is_computed_is_counted(engine, frames):
    session = engine.new_session()
    run(engine, frames[:1], session=session)
    assert session.nbytes()['normals'] >= 96 * 128 * 12 + 24 * 32 * 12
    session.release('out of memory')
    assert session.nbytes() == {} and session.derived == {}


@pytest.mark.parametrize('input_size', [(64, 96), (128, 128)])
def test_another_input_size_starts_anew(engine, frames, input_size):
    session = engine.new_session()
    run(engine, frames[:1], session=session)
    other = engine.with_input_size(input_size)
    assert_alike(run(other, frames[:1], session=session)[0], other.infer(frames[0]))


def test_depth_in_metres_gives_normals(tiny_description, frames):
    engine = engine_of(tiny_description, {**BY_GEOMETRY, 'depth': METRES})
    found = run(engine, frames, temporal_threshold=0.0)[-1]
    assert found.disparity is None
    assert 0.1 < np.nanmin(found.depth) and np.nanmax(found.depth) < 10.0
    assert_alike(found, engine.infer(frames[-1]))


def test_relative_depth_gives_edges_and_never_metres(tiny_description, frames):
    engine = engine_of(tiny_description, {'edge': BY_GEOMETRY['edge'], 'depth': DISPARITY},
                       ('semseg', 'depth', 'edge'))
    found = run(engine, frames, temporal_threshold=0.0)[-1]
    assert found.depth is None and found.disparity.dtype == np.float32
    assert found.disparity.min() >= 0
    before = found.disparity.copy()
    engine.scale_depth(found, 123.0)
    assert np.array_equal(found.disparity, before)
    assert found.edges.max() > 0


def test_relative_depth_tells_no_normals(tiny_description):
    with pytest.raises(ModelError, match='relative depth.*import it without normals'):
        engine_of(tiny_description, {**BY_GEOMETRY, 'depth': DISPARITY})


def test_without_depth_no_task_can_be_computed_from_it(tiny_description):
    with pytest.raises(ModelError, match='normals: to be computed from depth'):
        engine_of(tiny_description, BY_GEOMETRY, ('semseg', 'normals'))


def test_classes_cannot_be_computed_from_depth(tiny_description):
    heads = {'semseg': HeadConfig(kind='geometry')}
    with pytest.raises(ModelError, match='no weights for semseg'):
        engine_of(tiny_description, heads, ('semseg', 'depth'))


def test_what_is_offered_of_relative_depth_claims_no_metres(tiny_description, frames):
    engine = engine_of(tiny_description, {'depth': DISPARITY}, ('depth',))
    relative = engine.description.architecture.relative_depth
    offered = offered_outputs(engine.tasks, relative)
    topics = choose_outputs('depth/relative,depth/color,depth/camera_info', offered, '--topics')
    assert choose_outputs(None, offered, '--topics') == ('depth/relative', 'depth/camera_info')
    with pytest.raises(ConfigError, match='depth/points'):
        choose_outputs('depth/points', offered, '--topics')
    assert 'depth/relative' not in [row.topic for row in offered_outputs(engine.tasks)]
    assert any('depth of this model is relative' in notice for notice in engine.notices)
    found, = run(engine, frames[:1])
    for row in maps_of(topics):
        assert row.draw(found, MapColors(engine.labels.palette())).shape[:2] == (96, 128)


def test_without_a_camera_the_field_of_view_of_the_training_or_a_usual_one_is_assumed(
    tiny_description
):
    trained = engine_of(tiny_description)
    unknown = engine_of(replace(tiny_description, focal_length=None))
    framing = frame_to_cover((480, 640), (96, 128))
    assert trained.assumed_camera(framing) == Pinhole(110, 110, 63.5, 47.5)
    assert unknown.assumed_camera(framing).fx == pytest.approx(100.45, abs=0.01)
    wide = frame_to_cover((270, 480), (96, 128))  # cut at its sides: the same lens, more pixels
    assert unknown.assumed_camera(wide).fx > 130


def test_a_recorded_frame_has_the_normals_of_its_own_camera(engine, frames):
    calibration = SimpleNamespace(k=[300.0, 0, 63.5, 0, 300.0, 47.5, 0, 0, 1])
    settings = InferenceSettings(engine.tasks)
    found = Perception(engine, settings).infer(
        RecordedFrame(frames[0], 0, 'a', calibration)).normals
    expected, = run(engine, frames[:1], camera=Pinhole(300, 300, 63.5, 47.5))
    assert np.array_equal(found, expected.normals)
