"""Timing."""

import numpy as np
import pytest

from mtshare_ros.benchmark.timing import frames_per_second, task_subsets, time_engine, Times
from mtshare_ros.inference.engine import Engine


def test_percentiles_are_those_of_single_times():
    times = Times.of(list(range(101)))
    assert (times.p50, times.p95, times.count) == (50.0, 95.0, 101)


def test_subsets_are_each_task_and_all_of_them():
    assert task_subsets(('semseg', 'depth')) == [('semseg',), ('depth',), ('semseg', 'depth')]


def test_the_only_task_is_not_timed_twice():
    assert task_subsets(('depth',)) == [('depth',)]


def test_every_subset_sees_every_image_in_every_round(tiny_model):
    engine = Engine.load(str(tiny_model), device='cpu')
    images = [np.zeros((*engine.input_size, 3), np.uint8)] * 3
    progress = []
    results = time_engine(engine, images, rounds=2, progress=progress.append)
    assert [item.total.count for item in results] == [6] * 5
    assert progress == list(range(1, 7))


def test_the_first_frame_is_not_timed():
    asked = []
    assert frames_per_second(asked.append, 4) > 0
    assert asked == [0, 1, 2, 3, 4]


def test_stages_add_up_to_the_whole(tiny_model):
    engine = Engine.load(str(tiny_model), device='cpu')
    [*_, everything] = time_engine(engine, [np.zeros((96, 128, 3), np.uint8)], rounds=1)
    stages = sum(times.p50 for times in everything.stages.values())
    assert stages == pytest.approx(everything.total.p50, rel=0.1)
