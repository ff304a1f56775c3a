"""Rows that take places of a buffer, copied in elements as wide as fit."""

import pytest
import torch

from mtshare_ros.sharing.memory import overwrite


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16, torch.uint8])
@pytest.mark.parametrize('width', [1, 3, 16, 48])
@pytest.mark.parametrize('offset', [0, 1])
def test_only_the_named_rows_are_overwritten(dtype, width, offset):
    values = torch.arange(6 * width + offset) % 250 + 1
    rows = values.to(dtype)[offset:offset + 2 * width].view(2, width)
    buffer = torch.zeros(5, width, dtype=dtype)
    overwrite(buffer, torch.tensor([3, 1]), rows)
    assert torch.equal(buffer[[3, 1]], rows) and not buffer[[0, 2, 4]].any()


def test_rows_that_are_not_in_one_piece_are_copied_too():
    rows = torch.arange(32.0).view(2, 16)[:, :8]
    buffer = torch.zeros(3, 8)
    overwrite(buffer, torch.tensor([2, 0]), rows)
    assert torch.equal(buffer[[2, 0]], rows)
