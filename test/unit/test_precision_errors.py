"""What half precision changes is measured task by task."""

from pathlib import Path
import sys

import numpy as np
import pytest
import torch

from mtshare_ros.model.checkpoint import load_checkpoint

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / 'tools'))

from precision_errors import HALVES, precision_errors  # noqa: E402


@pytest.fixture(scope='module')
def errors(tiny_model):
    image = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
    images = [np.roll(image, 8 * number, axis=1) for number in range(3)]
    checkpoint = load_checkpoint(tiny_model)
    return {name: precision_errors(checkpoint, images, dtype)
            for name, dtype in {**HALVES, 'fp32': torch.float32}.items()}


def test_every_task_has_an_error_and_that_of_fp16_is_the_smaller_one(errors):
    for ours, theirs in zip(errors['fp16'], errors['bf16']):
        assert ours.task == theirs.task
        assert 0 < ours.dense < theirs.dense < 0.1
        assert 0 < ours.shared < theirs.shared < 0.1
    assert [item.task for item in errors['fp16']] == ['semseg', 'depth', 'normals', 'edge']


def test_float32_differs_from_itself_by_nothing(errors):
    assert all((item.dense, item.shared, item.map) == (0, 0, 0) for item in errors['fp32'])
