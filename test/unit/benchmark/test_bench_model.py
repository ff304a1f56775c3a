"""Which model with one encoder for all tasks the benchmark runs against another."""

from dataclasses import replace

import pytest
from tiny import TINY

from mtshare_ros.benchmark.bench_model import (
    BenchModel,
    random_checkpoint,
    shared_encoder_model,
    shipped_model,
)
from mtshare_ros.errors import ConfigError
from mtshare_ros.model.checkpoint import Checkpoint
from mtshare_ros.model.deltas import branch_out


def test_a_model_of_one_encoder_stands_for_shared_encoder_nth_itself():
    alone = BenchModel(random_checkpoint(TINY), 'alone', trained=True)

    assert shared_encoder_model(alone) is alone


def test_weights_by_chance_stand_for_those_of_one_encoder_too():
    checkpoint = random_checkpoint(TINY)
    network = branch_out(checkpoint.network, 1)
    description = replace(checkpoint.description, architecture=network.config)
    untrained = BenchModel(Checkpoint(network, description), 'chance', trained=False)

    assert shared_encoder_model(untrained) is untrained


def test_the_shipped_model_with_delta_weights_meets_the_one_without():
    assert shared_encoder_model(shipped_model('rooms_vit_tiny_shared')).name == 'rooms_vit_tiny'


def test_a_model_with_delta_weights_is_no_model_of_one_encoder():
    with pytest.raises(ConfigError, match="--shared-encoder is 'rooms_vit_tiny_shared', which"):
        shared_encoder_model(shipped_model('rooms_vit_tiny'), 'rooms_vit_tiny_shared')
