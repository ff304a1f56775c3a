"""Diagnostics tell the state of each camera, and what the engine chose."""

from dataclasses import replace
import math

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus
import pytest

from mtshare_ros.inference.engine import Engine
from mtshare_ros.model.checkpoint import load_checkpoint
from mtshare_ros.nodes.perception.diagnostics import (
    CameraReport,
    describe_overload,
    ENGINE_ENTRIES,
    engine_entries,
    make_diagnostics,
    NodeReport,
)
from mtshare_ros.nodes.perception.frame_statistics import RecentFlow
from mtshare_ros.nodes.perception.parameter_table import PERCEPTION_PARAMETERS


@pytest.mark.parametrize(('faults', 'level', 'message'), [
    ({}, DiagnosticStatus.OK, 'running'),
    ({'idle': 'idle: nobody'}, DiagnosticStatus.OK, 'idle: nobody'),
    ({'stale': 'no image', 'degraded': 'bad'}, DiagnosticStatus.WARN, 'STALE: no image'),
    ({'degraded': 'bad', 'overloaded': 'late'}, DiagnosticStatus.WARN, 'DEGRADED: bad'),
    ({'withheld': 'points', 'overloaded': 'late'}, DiagnosticStatus.WARN, 'WITHHELD: points'),
    ({'withheld': 'points', 'degraded': 'bad'}, DiagnosticStatus.WARN, 'DEGRADED: bad'),
    ({'overloaded': 'late', 'idle': 'idle: x'}, DiagnosticStatus.WARN, 'OVERLOADED: late'),
    ({'failing': 'five in a row', 'stale': 'no'}, DiagnosticStatus.ERROR, 'ERROR: five in a row'),
])
def test_the_worst_fault_speaks_in_the_diagnostics(faults, level, message):
    node = NodeReport('/cam/perception_node', 'active')

    status = make_diagnostics(node, [CameraReport(**faults)], Time()).status[0]

    assert (status.level, status.message) == (level, message)
    assert status.name == 'perception_node: /cam/perception_node'


def test_a_node_that_is_broken_says_so_whatever_its_cameras_do():
    node = NodeReport('/node', 'unconfigured', broken='no model')

    status = make_diagnostics(node, [CameraReport(stale='no image')], Time()).status[0]

    assert (status.level, status.message) == (DiagnosticStatus.ERROR, 'ERROR: no model')


def test_a_node_that_is_not_active_is_not_well():
    status = make_diagnostics(NodeReport('/node', 'inactive'), [CameraReport()], Time()).status[0]

    assert (status.level, status.message) == (DiagnosticStatus.WARN, 'inactive')


def test_every_camera_has_a_status_with_its_name():
    cameras = [CameraReport(name, entries={'dropped': name}) for name in ('front', 'rear')]

    statuses = make_diagnostics(NodeReport('/node', 'active'), cameras, Time()).status

    assert [status.name for status in statuses] == [
        'perception_node: /node: front', 'perception_node: /node: rear']
    assert [value.value for status in statuses for value in status.values
            if value.key == 'dropped'] == ['front', 'rear']


@pytest.mark.parametrize(('flow', 'target_ms', 'words'), [
    (RecentFlow(100, 51, 20.0, 9.8, 90.0), 0.0, '9.8 of 20.0 images a second'),
    (RecentFlow(100, 40, 20.0, 12.0, 90.0), 0.0, ''),
    (RecentFlow(100, 0, 20.0, 20.0, 90.0), 50.0, 'inference takes 90.0 ms (p95)'),
    (RecentFlow(100, 0, 20.0, 20.0, 40.0), 50.0, ''),
    (RecentFlow(3, 3, 20.0, 0.0, math.nan), 50.0, ''),
])
def test_overload_is_most_images_dropped_or_a_target_missed(flow, target_ms, words):
    text = describe_overload(flow, target_ms)

    assert words in text and bool(words) == bool(text)


DEFAULTS = PERCEPTION_PARAMETERS.defaults()


@pytest.fixture(scope='module')
def engine(tiny_model):
    loaded = load_checkpoint(tiny_model)
    return Engine(replace(loaded, description=replace(
        loaded.description, crossovers={'cpu': 0.4})), device='cpu')


@pytest.mark.parametrize(('values', 'expected'), [
    ({}, ('0.400', 'model')),
    ({'temporal.crossover': 0.25}, ('0.250', 'setting')),
    ({'temporal.enabled': False}, ('1.000', 'setting')),
    ({'temporal.refresh_period': 300, 'temporal.max_age': 1}, ('0.400', 'model')),
])
def test_the_crossover_stands_beside_its_source(engine, values, expected):
    figures = engine_entries(engine, {**DEFAULTS, **values})
    assert (figures['crossover'], figures['crossover_source']) == expected


def test_every_choice_is_told(engine):
    assert all(engine_entries(engine, DEFAULTS).values())


def test_without_a_model_nothing_is_chosen():
    assert engine_entries(None, DEFAULTS) == dict.fromkeys(ENGINE_ENTRIES, '')
