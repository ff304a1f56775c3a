"""What is no number is told, marked invalid, and gone with the next frame."""

import numpy as np
import pytest
import torch

from mtshare_ros.inference.engine import Engine, NON_FINITE
from mtshare_ros.inference.postprocess import holds_numbers_only
from mtshare_ros.inference.prediction import InferenceSettings
from mtshare_ros.model.checkpoint import load_checkpoint
from mtshare_ros.sharing.sharing_settings import BLOCK_KINDS, SharingSettings
from mtshare_ros.sharing.stem import StemRunner
from mtshare_ros.tasks import DEFAULT_TASKS


@pytest.fixture(scope='module')
def engine(tiny_model):
    return Engine(load_checkpoint(tiny_model), device='cpu')


@pytest.fixture(params=BLOCK_KINDS)
def settings(request):
    return InferenceSettings(
        sharing=SharingSettings(block=request.param, crossover=1.0, scene_cut_fraction=1.0))


def picture(changed=0):
    """Return noise, of which some rows are another noise."""
    frame, other = np.random.default_rng(0).integers(0, 256, (2, 96, 128, 3), np.uint8)
    frame[:changed] = other[:changed]
    return frame


def spoil(monkeypatch, method):
    """
    Let the stem return NaN tokens from now on.

    Simulated: where a real network overflows depends on its weights and the device.
    """
    original = getattr(StemRunner, method)
    monkeypatch.setattr(
        StemRunner, method, lambda *arguments: original(*arguments) * torch.nan)


def assert_equal(found, expected):
    for name in ('mask', 'confidence', 'depth', 'normals', 'edges'):
        assert np.array_equal(getattr(found, name), getattr(expected, name))


@pytest.mark.fault(16)
def test_a_frame_without_numbers_is_told_by_task_and_marked_invalid(
    engine, settings, monkeypatch
):
    spoil(monkeypatch, 'dense')

    found = engine.infer(picture(), engine.new_session(), settings)

    assert found.stats.non_finite == DEFAULT_TASKS
    assert (found.mask == 255).all() and (found.confidence == 0).all()
    assert np.isnan(found.depth).all() and np.isnan(found.normals).all()
    assert (found.edges == 0).all()


@pytest.mark.fault(16)
def test_the_next_frame_is_computed_whole_and_equals_a_cold_start(engine, settings, monkeypatch):
    session = engine.new_session()
    with monkeypatch.context() as broken:
        spoil(broken, 'dense')
        engine.infer(picture(), session, settings)

    found = engine.infer(picture(), session, settings)

    assert found.stats.reset_reason == NON_FINITE and found.stats.non_finite == ()
    assert_equal(found, engine.infer(picture(), engine.new_session(), settings))


@pytest.mark.fault(16)
def test_rows_without_numbers_in_the_middle_of_a_stream_leave_nothing_behind(
    engine, settings, monkeypatch
):
    session = engine.new_session()
    engine.infer(picture(), session, settings)
    with monkeypatch.context() as broken:
        spoil(broken, 'update')
        spoilt = engine.infer(picture(changed=32), session, settings)

    found = engine.infer(picture(changed=32), session, settings)

    assert spoilt.stats.reset_reason == '' and spoilt.stats.non_finite
    assert_equal(found, engine.infer(picture(changed=32), engine.new_session(), settings))


def test_a_good_frame_names_no_task(engine, settings):
    assert engine.infer(picture(), engine.new_session(), settings).stats.non_finite == ()


@pytest.mark.parametrize('value', [torch.nan, torch.inf, -torch.inf])
def test_a_single_value_is_found(value):
    raw = torch.zeros(1, 40, 60, 80)
    raw[0, 7, 20, 30] = value

    assert not holds_numbers_only(raw)


def test_infinities_that_cancel_in_a_sum_are_found():
    raw = torch.zeros(1, 3, 60, 80)
    raw[0, 0, 0, 0], raw[0, 1, 0, 0] = torch.inf, -torch.inf

    assert not holds_numbers_only(raw)


def test_large_numbers_whose_sum_overflows_are_numbers():
    assert holds_numbers_only(torch.full((1, 3, 60, 80), 3e38))
