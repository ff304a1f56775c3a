"""Every kind of decode head on some cells gives what the dense head gives for the same rows."""

from head_parts import CASES, GRID, HeadCase
import pytest
import torch

from mtshare_ros.inference.postprocess import enlarge

MASKS = {name: torch.zeros(GRID, dtype=torch.bool) for name in ('corner', 'blob', 'scattered')}
MASKS['corner'][-1, -1] = True
MASKS['blob'][1:3, 2:5] = True
MASKS['scattered'][::2, 1::3] = True


@pytest.fixture(params=CASES, ids=lambda case: f'{case[0]}, {case[1]} pixels')
def head(request):
    with torch.inference_mode():
        yield HeadCase(*request.param)


def assert_dense(head):
    torch.testing.assert_close(head.raw(), head.expected(), rtol=1e-4, atol=1e-5)


def test_all_cells_give_the_output_of_the_network(head):
    assert head.raw().shape == head.expected().shape
    assert_dense(head)


def test_changes_after_changes_give_the_output_of_the_network(head):
    for mask in MASKS.values():
        head.renew(mask)
        head.update(mask)
        assert_dense(head)


def test_all_cells_named_one_by_one_give_the_output_of_the_network(head):
    head.renew(torch.ones(GRID, dtype=torch.bool))
    head.update(torch.ones(GRID, dtype=torch.bool), limits=(1e3,) * 4)
    assert_dense(head)


@pytest.mark.parametrize('name', MASKS)
def test_nothing_changes_outside_the_cells_that_are_reached(head, name):
    patch_size = head.network.config.patch_size
    size = GRID[0] * patch_size, GRID[1] * patch_size
    before = enlarge(head.raw(), size).clone()
    head.renew(MASKS[name])
    reached = head.update(MASKS[name]).reached
    differs = (enlarge(head.raw(), size) != before).any(dim=1)[0]
    cells = differs.unflatten(1, (-1, patch_size)).unflatten(0, (-1, patch_size))
    outside = cells.any(dim=3).any(dim=1).flatten().clone()
    assert outside.any()
    outside[slice(None) if reached is None else reached] = False
    assert not outside.any()


def test_no_cells_cost_nothing_and_reach_nothing(head):
    before = head.raw()
    update = head.update(torch.zeros(GRID, dtype=torch.bool))
    assert update.macs == 0 and update.reached.shape == (0,)
    assert torch.equal(head.raw(), before)


def test_all_cells_cost_what_a_dense_head_does(head):
    assert head.update(None).macs == head.runner.dense_macs(GRID)
