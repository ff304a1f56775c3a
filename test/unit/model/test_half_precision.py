"""What half precision cannot hold is found in weights and in what layers make of a picture."""

from dataclasses import replace
import math

import pytest
from tiny import TINY
import torch

from mtshare_ros.model.description import from_header, Peak, to_header
from mtshare_ros.model.half_precision import (
    doubt_half,
    HALF_MAX,
    measure_peaks,
    trial_picture,
    weight_peak,
)
from mtshare_ros.model.network import build_model
from mtshare_ros.tasks import DEFAULT_TASKS

SMALL = Peak('blocks.0', 3.0)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return build_model(TINY, DEFAULT_TASKS, 40).eval().requires_grad_(False)


def test_the_largest_weight_is_named(network):
    network.blocks[1].mlp.fc1.weight[3, 5] = -70000.0

    assert weight_peak(network) == Peak('blocks.1.mlp.fc1.weight', 70000.0)


def test_a_layer_that_makes_large_numbers_is_named_and_the_residual_stream_is_not(network):
    network.blocks[0].mlp.fc1.weight *= 1e5
    network.blocks[0].mlp.fc2.weight *= 1e-5
    network.blocks[0].mlp.fc2.bias += 1e9  # float32 sums, which norms take

    peaks = measure_peaks(network, TINY.input_size)

    assert [peak.value for peak in peaks] == sorted((peak.value for peak in peaks), reverse=True)
    assert peaks[0].name == 'blocks.0.mlp.fc2' and peaks[0].value >= 1e9
    assert 'blocks.0.mlp.fc1' in [peak.name for peak in peaks]
    assert all(peak.value < 100 for peak in peaks if 'norm' in peak.name)


def test_to_measure_leaves_the_network_as_it_was(network):
    before = {name: value.clone() for name, value in network.state_dict().items()}

    measure_peaks(network, TINY.input_size)

    assert not any(module._forward_hooks for module in network.modules())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_the_trial_picture_is_always_the_same_and_shows_all_there_is():
    picture = trial_picture((96, 128))

    assert torch.equal(picture, trial_picture((96, 128)))
    assert picture.shape == (96, 128, 3) and (picture.amin(), picture.amax()) == (0, 255)


@pytest.mark.parametrize('weights, peaks, told', [
    (SMALL, (), ()),
    (SMALL, (Peak('heads.depth.out', HALF_MAX / 4),), ()),
    (SMALL, (Peak('heads.depth.out', 20000.0),), ('heads.depth.out reached 20,000',)),
    (SMALL, (Peak('heads.depth.out', math.inf),), ('heads.depth.out reached inf',)),
    (Peak('norm.weight', 7e4), (), ('norm.weight holds 70,000',)),
    (Peak('norm.weight', math.nan), (SMALL,), ('norm.weight holds nan',)),
])
def test_what_overflows_is_told_with_its_name_its_value_and_what_to_do(weights, peaks, told):
    doubts = doubt_half(weights, peaks)

    assert len(doubts) == len(told)
    for doubt, part in zip(doubts, told):
        assert part in doubt and '65,504' in doubt and 'bf16 or fp32' in doubt


def test_the_peaks_stand_in_the_file(tiny_description):
    described = replace(tiny_description, peaks=(Peak('stem.proj', 40.5), SMALL))

    assert from_header(to_header(described), 'here') == described
