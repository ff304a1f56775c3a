"""A frame without a memory costs what a network that shares nothing costs."""

import numpy as np
import pytest
from tiny import TINY
import torch

from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.prediction import InferenceSettings
from mtshare_ros.model.checkpoint import Checkpoint
from mtshare_ros.model.deltas import add_random_deltas, branch_out
from mtshare_ros.model.network import build_model
from mtshare_ros.recording.frames import Perception, RecordedFrame
from mtshare_ros.sharing.sharing_settings import SharingSettings
from mtshare_ros.tasks import DEFAULT_TASKS


@pytest.fixture(scope='module')
def engine(tiny_description):
    torch.manual_seed(0)
    network = branch_out(build_model(TINY, DEFAULT_TASKS, len(tiny_description.labels)).eval(), 1)
    add_random_deltas(network, density=0.1)
    return Engine(Checkpoint(network, tiny_description))


@pytest.fixture(scope='module')
def frame():
    return np.random.default_rng(1).integers(0, 255, (96, 128, 3), dtype=np.uint8)


@pytest.mark.parametrize('tasks', [
    DEFAULT_TASKS, ('depth',), ('semseg', 'edge'), ('normals', 'edge')])
def test_no_feature_is_computed_that_is_not_used(engine, frame, tasks):
    stats = engine.infer(frame, settings=InferenceSettings(tasks)).stats

    assert stats.macs == stats.dense_macs


def test_its_maps_are_those_of_a_camera_that_has_just_started(engine, frame):
    alone, first = engine.infer(frame), engine.infer(frame, engine.new_session())

    np.testing.assert_allclose(alone.depth, first.depth, rtol=1e-4)
    np.testing.assert_allclose(alone.normals, first.normals, atol=1e-4)
    assert first.stats.macs > first.stats.dense_macs


def test_lone_frames_do_not_see_one_another_and_disturb_no_session(engine, frame):
    other = np.roll(frame, 16, axis=1)
    session, undisturbed = engine.new_session(), engine.new_session()
    before = engine.infer(frame)
    engine.infer(frame, session)
    engine.infer(other)
    after, last = engine.infer(frame), engine.infer(other, session)
    engine.infer(frame, undisturbed)

    assert np.array_equal(before.depth, after.depth)
    assert np.array_equal(last.depth, engine.infer(other, undisturbed).depth)


def test_the_settings_of_sharing_do_not_touch_a_lone_frame(engine, frame):
    sharing = SharingSettings(block='accurate', latency_target_ms=1.0, halo=1)
    found = engine.infer(frame, settings=InferenceSettings(DEFAULT_TASKS, sharing))

    assert np.array_equal(found.depth, engine.infer(frame).depth)
    assert found.stats.macs == found.stats.dense_macs


@pytest.mark.parametrize('alone', [True, False])
def test_recorded_images_stand_for_themselves_where_that_is_asked_for(engine, frame, alone):
    perception = Perception(engine, InferenceSettings(DEFAULT_TASKS), alone=alone)

    stats = [perception.infer(RecordedFrame(frame, 0, 'image')).stats for _ in range(2)]

    assert (stats[0].macs == stats[0].dense_macs) is alone
    assert (stats[1].macs < stats[1].dense_macs) is not alone
