"""The diagnostics say with what maps are computed, and where the crossover comes from."""

from dataclasses import replace

import pytest

from mtshare_ros.inference.engine import Engine
from mtshare_ros.model.checkpoint import load_checkpoint
from mtshare_ros.nodes.perception.diagnostics import ENGINE_ENTRIES, engine_entries
from mtshare_ros.nodes.perception.parameter_table import PERCEPTION_PARAMETERS

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
