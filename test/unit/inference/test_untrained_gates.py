"""Who runs a backbone that never met the gates of sharing is told what that asks for."""

from dataclasses import replace

import pytest

from mtshare_ros.inference.known_quality import doubt_gates
from mtshare_ros.model.thresholds import default_thresholds


@pytest.mark.parametrize(('change', 'told'), [
    ({}, False),  # a convolutional stem: one of ours
    ({'stem': 'patch'}, True),
])
def test_who_runs_a_backbone_that_never_met_the_gates_is_told_what_to_set(
        tiny_description, change, told):
    description = replace(tiny_description, thresholds={},
                          architecture=replace(tiny_description.architecture, **change))
    assert any('temporal.refresh_period of 7' in line
               for line in doubt_gates(description)) is told


def test_of_a_calibrated_backbone_nothing_is_said(tiny_description):
    architecture = replace(tiny_description.architecture, stem='patch')
    known = {'depth': default_thresholds(architecture)}
    assert not doubt_gates(replace(
        tiny_description, architecture=architecture, thresholds=known))
