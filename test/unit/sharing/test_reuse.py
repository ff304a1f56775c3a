"""Tokens reused from the base task: what it may leave out, and what it may not."""

from branched import BlockRun, branched_network, CPU, TOKENS
import pytest
import torch

from mtshare_ros.sharing.fast_block import FastReuseBlock

ENCODERS = 4
EVERY = torch.arange(ENCODERS * TOKENS)
SUB_TASKS = EVERY[TOKENS:]
HUGE = [1e6] * ENCODERS

pytestmark = pytest.mark.usefixtures('no_gradients')


def started(network=None):
    """Return a run right after the shared blocks: every task has the base's input."""
    run = BlockRun(network or branched_network(), FastReuseBlock)
    run.inputs = run.inputs[:TOKENS].repeat(ENCODERS, 1)
    run.start()
    return run


@pytest.fixture
def run():
    return started()


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(5)


def alike(run, generator, step):
    """Return inputs that are ``step`` away from the present ones, the same for every task."""
    moved = run.inputs[:TOKENS] + step * torch.randn(
        TOKENS, run.inputs.shape[1], generator=generator)
    return moved.repeat(ENCODERS, 1)


@pytest.mark.parametrize('threshold', [None, [-1.0] * ENCODERS])
def test_without_a_threshold_every_token_is_computed(run, threshold):
    update = run.step(EVERY, run.inputs.clone(), task=threshold)
    assert update.reused is None
    assert update.computed == (TOKENS,) * ENCODERS


def test_tokens_whose_input_hardly_moved_are_reused(run, generator):
    update = run.step(EVERY, alike(run, generator, 1e-3), task=[0.05] * ENCODERS)
    assert update.computed == (TOKENS, 0, 0, 0)
    assert update.reused.tolist() == SUB_TASKS.tolist()


def test_reused_tokens_go_on_to_the_next_block(run, generator):
    update = run.step(EVERY, alike(run, generator, 1e-3), task=HUGE)
    assert update.active.counts == (TOKENS,) * ENCODERS


def test_the_base_task_is_always_computed(run, generator):
    update = run.step(EVERY, alike(run, generator, 1.0), task=HUGE)
    assert update.computed == (TOKENS, 0, 0, 0)
    assert (run.outputs[:TOKENS] - run.dense_outputs()[:TOKENS]).abs().max() < 1e-5


def test_a_token_that_was_never_computed_is_computed(run):
    state = run.block.allocate(TOKENS, CPU)
    base = EVERY[:TOKENS]
    run.block.dense(state, run.rows(base), run.inputs[:TOKENS])
    run.state = state
    update = run.step(EVERY, run.inputs.clone(), task=HUGE)
    assert update.computed == (TOKENS,) * ENCODERS
    assert run.error() < 1e-5


def test_what_was_forgotten_is_computed(run):
    run.state.base.forget()
    assert run.step(EVERY, run.inputs.clone(), task=HUGE).reused is None


@pytest.mark.parametrize('threshold', [0.01, 0.1, 1.0, 10.0])
def test_right_after_the_shared_blocks_delta_weights_act_at_every_threshold(run, threshold):
    # all inputs move alike, so a test of the difference between the tasks would see nothing
    moved = run.inputs * (1 + 10 * threshold)
    update = run.step(EVERY, moved, task=[threshold] * ENCODERS)
    assert update.computed == (TOKENS,) * ENCODERS
    assert run.error() < 1e-4 * (1 + threshold)


@pytest.mark.parametrize('threshold', [0.01, 10.0])
def test_reused_tokens_still_differ_from_the_base(run, generator, threshold):
    run.step(EVERY, alike(run, generator, 1e-4), task=[threshold] * ENCODERS)
    base, *others = run.outputs.split(TOKENS)
    for other in others:
        assert (other - base).norm() > 0.05 * base.norm()


def worst_error(run, generator, threshold, steps=30):
    errors = []
    for _ in range(steps):
        run.step(EVERY, alike(run, generator, 0.05), task=[threshold] * ENCODERS)
        errors.append(run.error())
    return max(errors)


@pytest.mark.parametrize('threshold, worst', [(0.1, 1.0), (0.02, 0.4), (0.005, 0.1), (1e-5, 1e-4)])
def test_the_error_goes_to_zero_with_the_threshold(run, generator, threshold, worst):
    assert worst_error(run, generator, threshold) < worst


def test_the_error_does_not_grow_with_time(run, generator):
    early = worst_error(run, generator, 0.05, steps=30)
    assert worst_error(run, generator, 0.05, steps=300) < 2 * early


@pytest.mark.parametrize('part', ['norm1.weight', 'norm2.weight', 'mlp.fc1.bias', 'attn.qkv.bias'])
def test_a_task_that_differs_in_norms_or_biases_only_is_not_taken_for_the_base(part, generator):
    network = branched_network(density=0)
    for task in network.branches:
        network.own_blocks(task)[0].get_parameter(part).mul_(1.5)
    assert worst_error(started(network), generator, 1e-5) < 1e-3


def test_where_the_weights_are_equal_reuse_is_exact(generator):
    run = started(branched_network(density=0))
    for _ in range(10):
        update = run.step(EVERY, alike(run, generator, 0.5), task=[0.01] * ENCODERS)
        assert update.computed == (TOKENS, 0, 0, 0)
        assert run.error() < 1e-5


def test_tokens_whose_input_leaves_that_of_the_base_are_computed(run):
    moved = run.inputs.clone()
    moved[TOKENS + 3] += 1.0  # of the first sub-task only
    update = run.step(EVERY, moved, task=[0.1] * ENCODERS)
    assert update.computed == (TOKENS, 1, 0, 0)


def test_a_threshold_is_relative_to_the_spread_of_its_tasks_tokens(run):
    rows = run.inputs[:TOKENS]
    norm = (rows - rows.mean(dim=0)).square().sum(dim=1).mean().sqrt()
    direction = torch.ones(run.inputs.shape[1]) / run.inputs.shape[1] ** 0.5
    share = 1 + run.block.weights.delta_share[1].item()  # the gap opens, and the input moves
    row = torch.tensor([3, TOKENS + 3])
    for size, reused in ((0.99, True), (1.01, False)):
        other = started()
        moved = other.inputs[row].clone()
        moved[1] += size * 0.1 / share * norm * direction
        update = other.step(row, moved, task=[0.1] * ENCODERS)
        assert (update.reused is not None) == reused


def test_each_task_has_its_own_threshold(run, generator):
    update = run.step(EVERY, alike(run, generator, 0.1), task=[0.0, 1e6, -1.0, 1e6])
    assert update.computed == (TOKENS, 0, TOKENS, 0)


def test_forced_tokens_are_computed(run):
    forced = torch.zeros(len(EVERY), dtype=torch.bool)
    forced[[5, TOKENS + 5, 3 * TOKENS + 6]] = True
    update = run.step(EVERY, run.inputs.clone(), task=HUGE, forced=forced)
    assert update.computed == (TOKENS, 1, 0, 1)


def test_keys_of_reused_tokens_follow_the_base(run, generator):
    rows = EVERY.view(ENCODERS, TOKENS)[:, :24].flatten()
    moved = alike(run, generator, 0.3)[rows]
    before = run.state.cache.pairs[rows].clone()
    run.step(rows, moved, task=HUGE)
    reused = run.state.cache.pairs[rows]
    run.step(rows, moved)
    exact = run.state.cache.pairs[rows]
    assert (reused - exact).norm() < 0.5 * (before - exact).norm()


def test_reuse_remembers_nothing_new(run, generator):
    base = run.state.base
    buffers = base.difference, base.cached_difference, base.kept
    before = [buffer.clone() for buffer in buffers]
    run.step(EVERY, alike(run, generator, 0.3), task=HUGE)
    assert all(torch.equal(*pair) for pair in zip(buffers, before))


def test_a_sub_task_may_be_reused_from_an_older_run_of_the_base(run):
    rows = EVERY[TOKENS:TOKENS + 5]
    update = run.step(rows, run.inputs[rows] + 1e-3, task=HUGE)
    assert update.computed == (0,) * ENCODERS and update.reused.tolist() == rows.tolist()
    assert run.error() < 0.01


def test_tokens_are_gated_in_time_before_they_are_reused(run):
    rows = torch.tensor([1, TOKENS + 1, TOKENS + 2])
    moved = run.inputs[rows].clone()
    moved[1] += 0.2
    update = run.step(rows, moved, temporal=[0.05] * ENCODERS, task=HUGE)
    assert update.active.index.tolist() == [TOKENS + 1]
    assert update.reused.tolist() == [TOKENS + 1]


def test_after_partial_lists_a_frame_that_moves_everything_is_exact(run, generator):
    for _ in range(20):
        tokens = torch.randperm(TOKENS, generator=generator)[:10].sort().values
        rows = (EVERY.view(ENCODERS, TOKENS)[:, tokens]).flatten()
        run.step(rows, alike(run, generator, 0.3)[rows], task=[0.02] * ENCODERS)
    assert run.error() > 0.05  # attention and kept differences went stale
    run.step(EVERY, alike(run, generator, 0.3), task=[1e-4] * ENCODERS)
    assert run.error() < 1e-4


def test_the_state_knows_its_bytes(run):
    row_bytes = 4 * run.inputs.shape[1]
    assert run.state.base.nbytes == row_bytes * TOKENS * (1 + 5 * (ENCODERS - 1))
