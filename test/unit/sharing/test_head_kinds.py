"""Every kind of decode head on some patches gives what the dense head gives for the same rows."""

from head_parts import CASES, GRID, HeadCase, HEADS
import pytest
import torch

from mtshare_ros.sharing.enlargement import enlarge

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


def test_all_patches_give_the_output_of_the_network(head):
    assert head.raw().shape == head.expected().shape
    assert_dense(head)


def test_changes_after_changes_give_the_output_of_the_network(head):
    for mask in MASKS.values():
        head.renew(mask)
        head.update(mask)
        assert_dense(head)


def test_all_patches_named_one_by_one_give_the_output_of_the_network(head):
    head.renew(torch.ones(GRID, dtype=torch.bool))
    head.update(torch.ones(GRID, dtype=torch.bool), thresholds=(1e3,) * 4)
    assert_dense(head)


@pytest.mark.parametrize('name', MASKS)
def test_nothing_changes_outside_the_patches_that_are_reached(head, name):
    patch_size = head.network.config.patch_size
    size = GRID[0] * patch_size, GRID[1] * patch_size
    before = enlarge(head.raw(), size).clone()
    head.renew(MASKS[name])
    affected = head.update(MASKS[name]).affected
    differs = (enlarge(head.raw(), size) != before).any(dim=1)[0]
    patches = differs.unflatten(1, (-1, patch_size)).unflatten(0, (-1, patch_size))
    outside = patches.any(dim=3).any(dim=1).flatten().clone()
    assert outside.any()
    outside[slice(None) if affected is None else affected] = False
    assert not outside.any()


def test_no_patches_cost_next_to_nothing_and_reach_nothing(head):
    before = head.raw()
    update = head.update(torch.zeros(GRID, dtype=torch.bool))
    assert update.macs < 0.05 * head.runner.dense_macs(GRID) and update.affected.shape == (0,)
    assert torch.equal(head.raw(), before)


def test_all_patches_cost_what_a_dense_head_does(head):
    assert head.update(None).macs == head.runner.dense_macs(GRID)


@pytest.fixture(params=[case for case in CASES if HEADS[case[0]].class_token],
                ids=lambda case: f'{case[0]}, {case[1]} pixels')
def mixing(request):
    """Return a head that mixes class tokens into its patches."""
    with torch.inference_mode():
        yield HeadCase(*request.param)


def test_a_class_token_that_hardly_moves_is_kept(mixing):
    before = mixing.raw()
    mixing.prefix += 0.01
    update = mixing.update(torch.zeros(GRID, dtype=torch.bool), thresholds=(0.1,) * 4)
    assert update.affected.shape == (0,) and torch.equal(mixing.raw(), before)


def test_class_tokens_drift_no_further_than_the_threshold(mixing):
    for _ in range(100):
        mixing.prefix += 0.02
        last = mixing.update(torch.zeros(GRID, dtype=torch.bool), thresholds=(0.1,) * 4)
        if last.affected is None:
            break
    assert last.affected is None
    assert_dense(mixing)


@pytest.mark.parametrize('name', ['none', 'blob'])
def test_without_a_threshold_every_move_of_a_class_token_counts(mixing, name):
    mask = MASKS.get(name, torch.zeros(GRID, dtype=torch.bool))
    mixing.renew(mask)
    mixing.prefix += 1e-3
    assert mixing.update(mask).affected is None
    assert_dense(mixing)


def test_all_patches_take_the_class_tokens_in_whatever_the_threshold(mixing):
    mixing.prefix += 0.01
    mixing.update(torch.ones(GRID, dtype=torch.bool), thresholds=(1e3,) * 4)
    assert_dense(mixing)


@pytest.fixture(params=[case for case in CASES if HEADS[case[0]].kind == 'dpt'],
                ids=lambda case: f'{case[0]}, {case[1]} pixels')
def dpt(request):
    """Return a head whose coarse levels carry a change far."""
    with torch.inference_mode():
        yield HeadCase(*request.param)


def test_a_threshold_keeps_what_hardly_moves_far_from_a_change(dpt):
    before = dpt.raw()
    dpt.renew(MASKS['corner'])
    affected = dpt.update(MASKS['corner'], thresholds=(0.2,) * 4).affected
    assert 0 < affected.shape[0] < GRID[0] * GRID[1]
    assert (dpt.raw() - dpt.expected()).norm() < (before - dpt.expected()).norm()


def test_what_a_threshold_kept_is_made_up_for_without_one(dpt):
    dpt.renew(MASKS['blob'])
    dpt.update(MASKS['blob'], thresholds=(0.5,) * 4)
    dpt.renew(MASKS['corner'])
    dpt.update(MASKS['corner'])
    assert_dense(dpt)


def test_half_precision_stays_close():
    with torch.inference_mode():
        for name in HEADS:
            head = HeadCase(name, 14, dtype=torch.bfloat16)
            head.renew(MASKS['blob'])
            head.update(MASKS['blob'])
            assert head.raw().dtype == torch.float32
            # of all pixels together, as the largest error depends on how a processor adds up
            expected = head.expected()
            assert (head.raw() - expected).norm() < 0.1 * expected.norm(), name


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize('name', [name for name, head in HEADS.items() if not head.bins])
def test_what_the_last_layer_gives_is_not_rounded_to_half_precision(name, dtype):
    with torch.inference_mode():
        head = HeadCase(name, 14, dtype=dtype)
        for mask in (None, MASKS['blob']):
            head.update(mask)
            values = head.raw()[head.raw() != 0]
            assert (values == values.to(dtype).float()).float().mean() < 0.2
