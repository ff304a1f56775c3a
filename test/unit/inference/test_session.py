"""The memory of one camera, in the hands of whoever calls the engine."""

import numpy as np
import pytest

from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.prediction import InferenceSettings
from mtshare_ros.sharing.sharing_settings import SharingSettings


@pytest.fixture(scope='module')
def engine(tiny_model):
    return Engine.load(str(tiny_model))


def picture():
    return np.random.default_rng(1).integers(0, 255, (96, 128, 3), dtype=np.uint8)


def test_a_session_that_went_through_another_input_size_gives_the_maps_of_a_new_one(engine):
    session = engine.new_session()
    engine.with_input_size((64, 96)).infer(picture(), session)
    found, expected = engine.infer(picture(), session), engine.infer(picture())

    assert found.stats.reset_reason == 'input size changed'
    assert np.array_equal(found.mask, expected.mask)
    assert np.array_equal(found.normals, expected.normals)


def test_the_bytes_of_a_session_are_those_of_its_cache_and_of_the_maps(engine):
    session = engine.new_session()
    engine.infer(picture(), session, InferenceSettings(('depth',)))
    cache, maps = session.cache.nbytes(), session.maps['depth'].nbytes

    assert maps >= 96 * 128 * 4
    assert session.nbytes() == {**cache, 'depth': cache['depth'] + maps}


def test_a_released_session_holds_nothing_and_says_why_it_starts_anew(engine):
    session = engine.new_session()
    engine.infer(picture(), session)
    session.release('out of memory')

    assert session.nbytes() == {} and session.maps == {}
    assert engine.infer(picture(), session).stats.reset_reason == 'out of memory'


def test_the_controller_of_a_latency_target_goes_with_the_target(engine):
    session = engine.new_session()
    aimed = InferenceSettings(engine.tasks, SharingSettings(latency_target_ms=50.0))
    engine.infer(picture(), session, aimed)
    first = session.controller
    engine.infer(picture(), session, aimed)

    assert first is not None and session.controller is first
    engine.infer(picture(), session)
    assert session.controller is None
