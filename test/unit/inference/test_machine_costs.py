"""When a frame runs dense for being faster so, and that no clock decides it."""

from dataclasses import replace
import time

import numpy as np
import pytest
import torch

from mtshare_ros.data.rooms.video import RoomVideo
from mtshare_ros.errors import ConfigError
from mtshare_ros.inference import machine_costs
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.machine_costs import (
    choices_of,
    choose_crossover,
    Crossover,
    DEFAULT_CROSSOVERS,
)
from mtshare_ros.inference.prediction import InferenceSettings
from mtshare_ros.model.checkpoint import Checkpoint, load_checkpoint
from mtshare_ros.sharing.sharing_settings import SharingSettings

SHARED = SharingSettings()


@pytest.fixture
def checkpoint(tiny_model) -> Checkpoint:
    return load_checkpoint(tiny_model)


def with_figure(checkpoint, **crossovers):
    return replace(checkpoint, description=replace(
        checkpoint.description, crossovers=crossovers))


@pytest.mark.parametrize(('settings', 'measured', 'stored', 'expected'), [
    (SharingSettings(crossover=0.2), 0.3, {'cpu': 0.4}, Crossover(0.2, 'setting')),
    (SHARED, 0.3, {'cpu': 0.4}, Crossover(0.3, 'measured')),
    (SHARED, None, {'cpu': 0.4, 'cuda': 0.5}, Crossover(0.4, 'model')),
    (SHARED, None, {'cuda': 0.5}, Crossover(DEFAULT_CROSSOVERS['cpu'], 'default')),
    (SharingSettings(temporal=False), 0.3, {'cpu': 0.4}, Crossover(1.0, 'setting')),
])
def test_the_first_source_that_there_is_holds(settings, measured, stored, expected):
    assert choose_crossover('cpu', settings, measured, stored) == expected


def test_a_gpu_has_a_crossover_of_its_own():
    stored = {'cpu': 0.4, 'cuda': 0.5}
    assert choose_crossover('cuda:1', SHARED, None, stored) == Crossover(0.5, 'model')
    assert choose_crossover('cuda', SHARED, None, {'cpu': 0.4}) == Crossover(1.0, 'unknown')


def test_a_crossover_that_is_no_share_is_refused(checkpoint):
    with pytest.raises(ConfigError, match=r"crossovers\['cpu'\] is 1.5"):
        with_figure(checkpoint, cpu=1.5)


@pytest.fixture
def unknown_device(monkeypatch):
    """Let nothing be known of the devices that tests have, as it is of GPUs."""
    monkeypatch.setattr(machine_costs, 'DEFAULT_CROSSOVERS', {})


@pytest.mark.usefixtures('unknown_device')
def test_only_where_nothing_is_known_it_is_measured(checkpoint):
    known, unknown = (Engine(item, device='cpu') for item in (
        with_figure(checkpoint, cpu=0.4), checkpoint))
    known.settle_crossover()
    unknown.settle_crossover()
    assert known.crossover() == Crossover(0.4, 'model')
    assert unknown.crossover().source == 'measured'
    assert 0 <= unknown.crossover().share <= 1


@pytest.mark.usefixtures('unknown_device')
def test_another_input_size_has_another_measurement(checkpoint):
    engine = Engine(checkpoint, device='cpu')
    engine.settle_crossover()
    assert engine.with_input_size((64, 96)).crossover().source == 'unknown'


@pytest.mark.parametrize(('figure', 'dense'), [(0.2, True), (0.9, False)])
def test_a_frame_above_the_crossover_of_the_model_is_computed_whole(checkpoint, figure, dense):
    engine = Engine(with_figure(checkpoint, cpu=figure), device='cpu')
    session, frame = engine.new_session(), np.zeros((96, 128, 3), np.uint8)
    engine.infer(frame, session)
    frame[:48] = 200
    stats = engine.infer(frame, session).stats
    assert (stats.dense, stats.reset_reason) == (dense, '')


def test_to_measure_changes_no_random_numbers(checkpoint):
    engine, before = Engine(checkpoint, device='cpu'), torch.get_rng_state()
    assert engine.costs.dense_ms > 0
    assert torch.equal(torch.get_rng_state(), before)


def test_what_is_measured_are_frames_as_cameras_send_them(checkpoint, monkeypatch):
    engine, seen = Engine(checkpoint, device='cpu'), []

    def infer(image, session, settings):
        prediction = Engine.infer(engine, image, session, settings)
        seen.append((settings, prediction))
        return prediction

    monkeypatch.setattr(engine, 'infer', infer)
    assert engine.costs.sparse.base_ms >= 0

    settled = seen[2:]  # the first ones have nothing to build on
    assert all(settings.tasks == engine.tasks and settings.sharing.task
               and settings.sharing.temporal for settings, _ in settled)
    assert all('gate' in item.stats.stage_ms and 'decode' in item.stats.stage_ms
               and item.mask is not None for _, item in settled)
    by_rows = [item.stats for settings, item in settled if settings.sharing.crossover == 1]
    whole = [item.stats for settings, item in settled if settings.sharing.crossover == 0]
    assert all(0.1 < stats.input_fraction < 0.9 for stats in by_rows)
    assert {stats.input_fraction for stats in whole} == {1.0}
    assert not any(stats.reset_reason for stats in by_rows + whole)


@pytest.fixture
def mad_clock(monkeypatch):
    """Let every reading of a clock be another random time, as if each step took random times."""
    random = np.random.default_rng(0)
    for name in ('perf_counter', 'monotonic', 'time', 'process_time', 'thread_time'):
        monkeypatch.setattr(time, name, lambda: float(random.uniform(0, 1e6)))


def maps_of(model):
    """Return the bytes of the maps of a turning camera with the settings as shipped."""
    engine = Engine.load(str(model), device='cpu')
    video = RoomVideo(seed=3, motion='pan', height=96, width=128)
    session, settings = engine.new_session(), InferenceSettings(engine.tasks)
    predictions = [engine.infer(video.frame(number).image, session, settings)
                   for number in range(8)]
    return [array.tobytes() for item in predictions
            for array in (item.mask, item.confidence, item.depth, item.normals, item.edges)]


def test_maps_do_not_depend_on_time(tiny_model, request):
    expected = maps_of(tiny_model)
    request.getfixturevalue('mad_clock')
    assert all(maps_of(tiny_model) == expected for _ in range(3))


def test_what_decides_about_the_bits_is_told(checkpoint):
    engine = Engine(with_figure(checkpoint, cpu=0.4), device='cpu', precision='bf16',
                    weight_layout='plain')
    told = choices_of(engine, SHARED)
    assert told == {
        'device': 'cpu', 'processor': told['processor'], 'precision': 'bfloat16',
        'weight_layout': 'plain', 'crossover': 0.4, 'crossover_source': 'model',
        'threads': torch.get_num_threads(), 'torch': str(torch.__version__)}
    assert torch.backends.cpu.get_cpu_capability() in told['processor']
