"""The accurate block: per-module gates, and attention that never goes stale."""

from branched import BlockRun, branched_network, some_rows, TOKENS
import pytest
import torch

from mtshare_ros.sharing.accurate_block import AccurateBlock
from mtshare_ros.sharing.gates import BlockThresholds

pytestmark = pytest.mark.usefixtures('no_gradients')


@pytest.fixture
def run(network):
    return BlockRun(network, AccurateBlock)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(2)


def test_a_dense_frame_equals_the_blocks_of_every_task(run):
    assert run.error() < 1e-5


@pytest.mark.parametrize('count', [1, 12, 60, 192])
def test_without_a_threshold_fifty_updates_equal_dense(run, generator, count):
    for _ in range(50):
        run.step(*some_rows(run, count, generator))
        assert run.error() < 1e-4


def test_tokens_that_did_not_come_in_follow_the_changed_keys(run, generator):
    before = run.outputs.clone()
    update = run.step(*some_rows(run, 1, generator, step=3.0))
    assert update.active.total == TOKENS  # all of one encoder's
    assert ((run.outputs != before).any(dim=1)).sum() == TOKENS


def test_tokens_that_joined_bring_their_positions(network, generator):
    first = BlockRun(network, AccurateBlock)
    second = BlockRun(network, AccurateBlock, block=1)
    second.step(torch.arange(first.outputs.shape[0]), first.outputs)
    for _ in range(10):
        update = first.step(*some_rows(first, 5, generator))
        assert update.active.rotation.cosine.shape[0] == update.active.total
        second.inputs[update.active.index] = update.values
        then = second.block.update(second.state, update.active, update.values, BlockThresholds())
        second.outputs[then.active.index] = then.values
        assert second.error() < 1e-4


def test_the_encoders_do_not_touch_each_other(run, generator):
    before = run.outputs.clone()
    index = torch.arange(TOKENS, TOKENS + 9)  # of the second encoder
    update = run.step(index, torch.randn(9, run.inputs.shape[1], generator=generator))
    assert update.active.counts == (0, TOKENS, 0, 0)
    others = torch.ones(len(before), dtype=torch.bool)
    others[TOKENS:2 * TOKENS] = False
    assert torch.equal(run.outputs[others], before[others])
    assert run.error() < 1e-4


def test_a_token_that_moves_within_the_threshold_drops_out(run, generator):
    before = run.outputs.clone()
    update = run.step(*some_rows(run, 20, generator, step=0.01), temporal=[0.05] * 4)
    assert update.active.total == 0
    assert torch.equal(run.outputs, before)


def test_the_threshold_is_relative_to_the_spread_of_the_tokens(run):
    rows = run.inputs[:TOKENS]
    norm = (rows - rows.mean(dim=0)).square().sum(dim=1).mean().sqrt()
    direction = torch.ones(run.inputs.shape[1]) / run.inputs.shape[1] ** 0.5
    row = torch.tensor([3])
    within = run.step(row, run.inputs[row] + 0.099 * norm * direction, temporal=[0.1] * 4)
    assert within.active.total == 0
    beyond = run.step(row, run.inputs[row] + 0.002 * norm * direction, temporal=[0.1] * 4)
    assert row.item() in beyond.active.index


def test_each_encoder_has_its_own_threshold(run, generator):
    index = torch.tensor([4, TOKENS + 4])
    values = run.inputs[index] + 0.1
    update = run.step(index, values, temporal=[10.0, 0.0, 0.0, 0.0])
    assert update.active.counts[0] == 0 and update.active.counts[1] > 0


def test_a_slow_drift_is_noticed_however_small_its_steps(run):
    every = torch.arange(run.inputs.shape[0])
    worst, threshold = 0.0, 0.05
    for _ in range(300):
        run.step(every, run.inputs + 0.01, temporal=[threshold] * 4)
        worst = max(worst, run.error())
    norm = run.inputs.square().sum(dim=1).mean().sqrt().item()
    assert worst < 20 * threshold * norm / run.inputs.shape[1] ** 0.5


def test_only_tokens_whose_attention_moved_enough_join(run, generator):
    update = run.step(*some_rows(run, 6, generator), temporal=[0.1] * 4)
    assert 12 < update.active.total < 0.75 * run.inputs.shape[0]


def worst_error(run, generator, threshold):
    errors = []
    for _ in range(30):
        run.step(*some_rows(run, 20, generator, step=0.3), temporal=[threshold] * 4)
        errors.append(run.error())
    return max(errors)


@pytest.mark.parametrize('threshold, worst', [(0.1, 1.0), (0.03, 0.3), (0.01, 0.1), (0.0, 1e-4)])
def test_the_error_goes_to_zero_with_the_threshold(run, generator, threshold, worst):
    assert worst_error(run, generator, threshold) < worst


def test_a_large_threshold_is_felt(run, generator):
    assert worst_error(run, generator, 0.1) > 0.1


def test_a_negative_threshold_is_no_gate(run, generator):
    index = torch.arange(5)
    update = run.step(index, run.inputs[index].clone(), temporal=[-1.0] * 4)
    assert update.active.counts == (TOKENS, 0, 0, 0)


def test_forced_tokens_pass_every_gate(run):
    index = torch.tensor([1, 2, TOKENS + 7])
    forced = torch.tensor([True, False, True])
    update = run.step(index, run.inputs[index].clone(), temporal=[9.0] * 4, forced=forced)
    assert update.active.index.tolist() == [1, TOKENS + 7]
    assert update.active.forced.tolist() == [True, True]


def test_forced_tokens_are_computed_from_the_present_keys(run, generator):
    huge = [9.0] * 4
    index, values = some_rows(run, 40, generator)
    run.step(index, values, temporal=[1e-3] * 4)
    row = index[:1]
    for _ in range(2):
        run.step(row, run.inputs[row], temporal=huge, forced=torch.tensor([True]))
    assert torch.allclose(run.outputs[row], run.dense_outputs()[row], atol=1e-2)


def test_reuse_is_left_to_the_fast_block(run, generator):
    run.step(*some_rows(run, 30, generator), task=[10.0] * 4)
    assert run.error() < 1e-4


def test_an_empty_list_changes_nothing(run):
    before = run.outputs.clone()
    update = run.step(torch.arange(0), run.inputs[:0])
    assert update.active.total == 0 and torch.equal(run.outputs, before)


def test_absolute_positions_need_no_rotation(generator):
    run = BlockRun(branched_network(position='absolute'), AccurateBlock)
    for _ in range(5):
        run.step(*some_rows(run, 7, generator))
    assert run.error() < 1e-4


def test_half_precision_stays_close(network, generator):
    run = BlockRun(network, AccurateBlock, dtype=torch.bfloat16)
    for _ in range(20):
        run.step(*some_rows(run, 20, generator))
    assert (run.outputs - run.dense_outputs()).norm() < 0.02 * run.outputs.norm()


def test_a_shared_block_has_one_encoder(network, generator):
    run = BlockRun(network, AccurateBlock, shared=True)
    for _ in range(10):
        run.step(*some_rows(run, 7, generator))
    assert run.error() < 1e-4


def test_the_state_knows_its_bytes(run):
    rows, width = run.inputs.shape
    floats = 9 * rows * width + rows * 2 + 3 * 4  # buffers, log-sum-exps of 2 heads, scales
    assert run.state.nbytes == 4 * floats
