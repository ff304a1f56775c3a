"""Calibration of thresholds to a stated output error."""

from dataclasses import replace

import pytest

pytest.importorskip('numba', reason='the rooms need the extra [rooms]')

from tiny import TINY  # noqa: E402
import torch  # noqa: E402

from mtshare_ros.errors import ConfigError  # noqa: E402
from mtshare_ros.evaluation import calibration  # noqa: E402
from mtshare_ros.evaluation.calibration import (  # noqa: E402
    calibrate,
    CalibrationSettings,
    count_frames,
)
from mtshare_ros.evaluation.measurements import MeasuredHere  # noqa: E402
from mtshare_ros.evaluation.output_error import (  # noqa: E402
    ClipMeter,
    Comparison,
    ErrorMetrics,
    relative_error,
)
from mtshare_ros.evaluation.room_data import (  # noqa: E402
    CalibrationClips,
    NOISE_STEP,
    plan_clips,
    render_clips,
)
from mtshare_ros.inference.engine import Engine  # noqa: E402
from mtshare_ros.model.checkpoint import Checkpoint  # noqa: E402
from mtshare_ros.model.deltas import add_random_deltas, branch_out  # noqa: E402
from mtshare_ros.model.description import TaskThresholds  # noqa: E402
from mtshare_ros.model.network import build_model  # noqa: E402
from mtshare_ros.sharing.sharing_settings import SharingSettings  # noqa: E402

DEEP = replace(TINY, depth=4)
TARGET = 0.05
FRAMES = 6


@pytest.fixture(scope='module')
def engine(tiny_description):
    """Load a tiny network of four blocks, two of them shared, with delta weights."""
    torch.manual_seed(0)
    network = branch_out(build_model(DEEP, tiny_description.tasks, 40), 2)
    add_random_deltas(network, density=0.3)
    description = replace(tiny_description, architecture=network.config)
    return Engine(Checkpoint(network.eval(), description), device='cpu')


PLAN = plan_clips(2, FRAMES)


@pytest.fixture(scope='module')
def clips():
    """Film two rooms to calibrate on and two others."""
    return render_clips(PLAN.specs, frames=FRAMES, size=TINY.input_size)


def meters_of(engine, clips, sharing=None, tick=lambda: None):
    return [ClipMeter(engine, clip, sharing or SharingSettings(), tick) for clip in clips]


def calibrated(engine, plan, clips, settings, progress=lambda done: None):
    """Calibrate on clips that were rendered before."""
    spread = MeasuredHere(lambda tick: meters_of(engine, clips, settings.sharing, tick))
    return calibrate(engine, plan, settings, spread, progress)


@pytest.fixture(scope='module')
def done():
    """Collect what a calibration reports of its progress."""
    return []


@pytest.fixture(scope='module')
def result(engine, clips, done):
    """Calibrate once for all tests that look at the outcome."""
    return calibrated(engine, PLAN, clips, CalibrationSettings(TARGET), done.append)


def uniform(engine, temporal, task=0.0):
    """Return thresholds that are the same in every block of every task."""
    thresholds = TaskThresholds((temporal,) * DEEP.depth, (task,) * DEEP.depth)
    return dict.fromkeys(engine.tasks, thresholds)


def measure(engine, thresholds, clips, sharing=None):
    return Comparison.of([meter.compare(thresholds)
                          for meter in meters_of(engine, clips, sharing)])


def test_every_task_and_block_gets_a_temporal_threshold(engine, result):
    assert tuple(result.thresholds) == engine.tasks
    assert all(value > 0 for item in result.thresholds.values() for value in item.temporal)


def test_only_sub_tasks_take_over_and_only_above_the_shared_blocks(result):
    assert not any(result.thresholds['semseg'].task)
    for task in ('depth', 'normals', 'edge'):
        assert [value > 0 for value in result.thresholds[task].task] == [False, False, True, True]


def test_the_stated_error_is_what_all_tasks_together_have(engine, clips, result):
    again = measure(engine, result.thresholds, clips[:2])
    for task, errors in result.found.errors.items():
        assert again.errors[task].added.p95 == pytest.approx(errors.added.p95, rel=1e-3)
        assert f'{task} {errors.added.p95:.3f}' in result.sentence


def test_no_task_exceeds_what_is_allowed(result):
    for task, errors in result.found.errors.items():
        assert errors.added.p95 <= 1.1 * CalibrationSettings(TARGET).allowed(result.noise[task])


def test_thresholds_are_as_large_as_the_target_allows(engine, clips, result):
    larger = {task: item.scaled(3.0, 3.0) for task, item in result.thresholds.items()}
    found = measure(engine, larger, clips[:2])
    assert any(errors.added.p95 > CalibrationSettings(TARGET).allowed(result.noise[task])
               for task, errors in found.errors.items())


def test_the_check_uses_rooms_that_were_not_calibrated_on(clips, result):
    assert f'rooms {clips[2].spec.seed} to {clips[3].spec.seed}' in result.sentence
    assert result.held_out.errors.keys() == result.found.errors.keys()


def test_progress_never_goes_back_and_ends_at_the_announced_frames(engine, result, done):
    assert done == sorted(done)
    assert done[-1] == count_frames(engine.description.architecture, engine.tasks, PLAN)


def test_a_target_nothing_keeps_is_refused_with_what_can_be_had(engine, clips, monkeypatch):
    monkeypatch.setattr(calibration, 'SMALLEST', 0.5)
    monkeypatch.setattr(calibration, 'FIRST', 0.5)
    silent = replace(clips[0], again=clips[0].images[::NOISE_STEP])
    plan = CalibrationClips(PLAN.calibration[:1], PLAN.held_out, FRAMES)
    with pytest.raises(ConfigError, match=r'target_error is 1e-09; with the smallest temporal '
                                          r'threshold tried .* semseg is .* ask for at least'):
        calibrated(engine, plan, [silent, *clips[2:]], CalibrationSettings(1e-9))


@pytest.mark.parametrize('target', [0.0, 1.0, -0.1])
def test_a_target_that_means_nothing_is_refused(target):
    with pytest.raises(ConfigError, match='target_error is .*above 0 and below 1'):
        CalibrationSettings(target)


@pytest.mark.parametrize('noise, limit', [(0.01, 0.05), (0.2, 0.2)])
def test_a_noisy_output_may_change_as_much_as_its_noise(noise, limit):
    assert CalibrationSettings(0.05).allowed(noise) == limit


def test_larger_thresholds_do_less_and_add_more(engine, clips):
    small, large = (measure(engine, uniform(engine, value), clips[:2]) for value in (1e-4, 1.0))
    assert large.macs_fraction < small.macs_fraction
    assert large.errors['depth'].added.p95 > small.errors['depth'].added.p95


def test_without_thresholds_nothing_is_added(engine, clips):
    errors = measure(engine, uniform(engine, 0.0), clips[:1]).errors
    assert all(item.added.p95 == 0 for item in errors.values())
    assert all(item.total == item.without and item.total.mean > 0 for item in errors.values())


def test_a_factor_of_zero_differs_from_dense_by_rounding_only(engine, clips):
    exact = SharingSettings(temporal_threshold=0.0, task_threshold=0.0)
    errors = measure(engine, uniform(engine, 1.0, 1.0), clips[:1], exact).errors
    assert all(item.total.p95 < 1e-4 for item in errors.values())


def test_taking_over_adds_to_the_error_of_a_sub_task(engine, clips):
    meter, = meters_of(engine, clips[:1])
    alone, shared = (ErrorMetrics.of(meter.added_by(uniform(engine, 0.0, 0.5), 'depth', reuse))
                     for reuse in (False, True))
    assert alone.p95 == pytest.approx(0, abs=1e-6)
    assert shared.p95 > 1e-4


def test_the_first_frame_of_a_clip_does_not_count(engine, clips):
    found = measure(engine, engine.thresholds, clips)
    assert found.errors['edge'].total.frames == len(clips) * (FRAMES - 1)


def test_other_noise_changes_every_output(engine, clips):
    found = meters_of(engine, clips[:1])[0].noise()
    assert list(found) == list(engine.network_tasks)
    assert all(min(values) > 0 for values in found.values())


def test_the_error_is_relative_to_the_expected_output():
    expected = torch.tensor([3.0, 4.0])
    assert relative_error(torch.tensor([3.0, 4.5]), expected) == pytest.approx(0.1)


def test_errors_are_summarised_by_percentile_and_mean():
    figures = ErrorMetrics.of([0.0] * 90 + [1.0] * 10)
    assert (figures.p95, figures.mean, figures.frames) == (1.0, pytest.approx(0.1), 100)
