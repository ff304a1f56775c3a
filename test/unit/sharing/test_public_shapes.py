"""Networks of the shapes of public backbones, whatever their heads, share as exactly as others."""

import numpy as np
from public_shapes import camera, engine, film, SIZES
import pytest

from mtshare_ros.errors import ConfigError
from mtshare_ros.evaluation.output_error import relative_error
from mtshare_ros.inference.postprocess import decode

patch_sizes = pytest.mark.parametrize('patch_size', sorted(SIZES))
kinds = pytest.mark.parametrize('kind', ['fast', 'accurate'])


@patch_sizes
@kinds
def test_a_factor_of_zero_equals_dense(patch_size, kind):
    seen = camera(patch_size, temporal_threshold=0.0, task_threshold=0.0, block=kind)
    for frame in film(patch_size, 3):
        seen.see(frame)
        assert seen.error() < 1e-5


@patch_sizes
@kinds
def test_a_factor_of_zero_equals_dense_after_any_other(patch_size, kind):
    seen = camera(patch_size, block=kind)
    *others, last = film(patch_size)
    for frame in others:
        stats = seen.see(frame).stats
    assert 0 < stats.input_fraction < 1 and seen.error() > 1e-5
    seen.use(seen.settings.tasks, temporal_threshold=0.0, task_threshold=0.0, block=kind)
    seen.see(last)
    assert seen.error() < 1e-5


@patch_sizes
@kinds
def test_when_every_row_is_forced_the_frame_equals_dense(patch_size, kind):
    seen = camera(patch_size, block=kind, policy='keyframe', refresh_period=2)
    for number, frame in enumerate(film(patch_size)):
        seen.see(frame)
        assert number % 2 or seen.error() < 1e-5


@patch_sizes
@kinds
def test_maps_kept_up_to_date_are_those_of_the_whole_output(patch_size, kind):
    seen = camera(patch_size, block=kind)
    for frame in film(patch_size):
        prediction = seen.see(frame)
    for task in seen.settings.tasks:
        found = prediction.map_of(task)
        expected, *_ = decode(task, seen.raw(task), SIZES[patch_size]).values()
        # roundings of bytes may differ by one step
        least = 1 if found.dtype == np.uint8 and task != 'semseg' else 1e-4
        difference = np.abs(found.astype(float) - expected)
        assert (difference > least).mean() < 1e-3


@patch_sizes
def test_nothing_changes_where_nothing_was_computed(patch_size):
    seen = camera(patch_size, policy='none')
    frame = film(patch_size, 1)[0]
    seen.see(frame)
    before = seen.see(frame)
    changed = frame.copy()
    changed[:patch_size, :patch_size] = 255 - changed[:patch_size, :patch_size]
    after = seen.see(changed)
    assert after.stats.input_fraction < 0.1
    for task in ('normals', 'depth'):
        one, other = before.map_of(task), after.map_of(task)
        assert np.array_equal(one[-patch_size:, -patch_size:], other[-patch_size:, -patch_size:])
        assert not np.array_equal(one, other)


@patch_sizes
def test_sharing_errs_less_than_holding_the_first_frame(patch_size):
    seen = camera(patch_size)
    frames = film(patch_size)
    seen.see(frames[0])
    held = seen.outputs()
    for frame in frames[1:]:
        stats = seen.see(frame).stats
    assert stats.macs < stats.dense_macs
    for task, dense in seen.dense().items():
        assert relative_error(seen.raw(task), dense) < relative_error(held[task], dense)


def test_an_input_size_of_other_patches_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match=r'patches of 14 pixels.* the nearest is \[238, 322\]'):
        engine(14).with_input_size((240, 320))
