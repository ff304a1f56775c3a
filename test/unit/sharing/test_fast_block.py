"""The fast block: some tokens against all cached keys and values, the rest kept."""

from branched import BlockRun, CPU, some_rows, TOKENS
import pytest
from reference_encoder import ReferenceBlock
import torch

from mtshare_ros.sharing.block import BlockWeights
from mtshare_ros.sharing.fast_block import FastBlock, FastReuseBlock
from mtshare_ros.sharing.gates import BlockThresholds

pytestmark = pytest.mark.usefixtures('no_gradients')


@pytest.fixture
def run(network):
    return BlockRun(network, FastReuseBlock)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(4)


def test_a_dense_frame_equals_the_blocks_of_every_task(run):
    assert run.error() < 1e-5


def test_all_tokens_in_a_list_equal_dense(run, generator):
    for _ in range(5):
        run.step(*some_rows(run, run.inputs.shape[0], generator))
        assert run.error() < 1e-5


def test_listed_tokens_see_the_present_keys_and_the_others_stay(run, generator):
    blocks = [ReferenceBlock(module, TOKENS, run.table) for module in run.modules]
    expected = [block.run(dict(enumerate(part)))
                for block, part in zip(blocks, run.inputs.double().split(TOKENS))]
    for _ in range(10):
        index, values = some_rows(run, 12, generator)
        run.step(index, values)
        for encoder, block in enumerate(blocks):
            rows = {row % TOKENS: value.double()
                    for row, value in zip(index.tolist(), values) if row // TOKENS == encoder}
            expected[encoder].update(block.run(rows))
        plain = torch.stack([row for part in expected for row in part.values()])
        assert torch.allclose(run.outputs, plain.float(), atol=1e-4)


def test_tokens_that_are_not_updated_keep_exactly_what_is_remembered_of_them(run, generator):
    buffers = run.state.cache.pairs, run.state.reference
    kept = [buffer.clone() for buffer in buffers]
    index, values = some_rows(run, 30, generator)
    values[:10] = run.inputs[index[:10]]  # within any threshold
    update = run.step(index, values, temporal=[0.05] * 4)
    assert update.active.index.tolist() == index[10:].tolist()
    still = torch.ones(len(run.inputs), dtype=torch.bool)
    still[index[10:]] = False
    for buffer, before in zip(buffers, kept):
        assert torch.equal(buffer[still], before[still])
        assert (buffer[~still] != before[~still]).any(dim=1).all()


def test_the_list_never_grows(run, generator):
    for _ in range(10):
        index, values = some_rows(run, 15, generator, step=0.2)
        update = run.step(index, values, temporal=[0.2] * 4)
        assert set(update.active.index.tolist()) <= set(index.tolist())


def test_the_threshold_is_relative_to_how_far_the_tokens_spread(run):
    rows = run.inputs[:TOKENS]
    norm = (rows - rows.mean(dim=0)).square().sum(dim=1).mean().sqrt()
    direction = torch.ones(run.inputs.shape[1]) / run.inputs.shape[1] ** 0.5
    row = torch.tensor([3])
    start = run.inputs[row].clone()
    assert run.step(row, start + 0.099 * norm * direction, temporal=[0.1] * 4).active.total == 0
    assert run.step(row, start + 0.101 * norm * direction, temporal=[0.1] * 4).active.total == 1


def test_each_encoder_has_its_own_threshold(run):
    index = torch.tensor([4, TOKENS + 4, 2 * TOKENS + 4])
    update = run.step(index, run.inputs[index] + 0.1, temporal=[10.0, 1e-3, 10.0, 1e-3])
    assert update.active.index.tolist() == [TOKENS + 4]


def test_the_reference_is_the_input_last_computed_not_the_last_one_seen(run):
    row = torch.tensor([3])
    sizes = [run.step(row, run.inputs[row] + 0.01, temporal=[0.05] * 4).active.total
             for _ in range(40)]
    assert 0 < sum(sizes) < 20


def test_without_a_threshold_even_an_equal_token_is_computed_anew(run, generator):
    row, others = torch.tensor([3]), torch.arange(4, TOKENS)
    run.step(others, run.inputs[others] + torch.randn(
        len(others), run.inputs.shape[1], generator=generator))
    stale = run.outputs[row].clone()
    assert run.step(row, run.inputs[row], temporal=[1e-6] * 4).active.total == 0
    run.step(row, run.inputs[row])
    assert not torch.allclose(run.outputs[row], stale, atol=1e-2)


def test_a_negative_threshold_is_no_gate_for_its_encoder(run):
    index = torch.tensor([4, TOKENS + 4])
    update = run.step(index, run.inputs[index], temporal=[0.1, -1.0, 0.1, 0.1])
    assert update.active.index.tolist() == [TOKENS + 4]


def test_forced_tokens_pass_the_gate(run):
    index = torch.tensor([1, 2, TOKENS + 7])
    update = run.step(index, run.inputs[index], temporal=[9.0] * 4,
                      forced=torch.tensor([True, False, True]))
    assert update.active.index.tolist() == [1, TOKENS + 7]
    assert update.active.forced.tolist() == [True, True]


def test_a_dense_frame_of_one_encoder_leaves_the_others_as_they_were(run):
    cache = run.state.cache.pairs
    kept = cache.clone()
    index = torch.arange(TOKENS, 2 * TOKENS)
    run.inputs[index] += 1.0
    run.outputs[index] = run.block.dense(run.state, run.rows(index), run.inputs[index])
    assert run.error() < 1e-5
    assert torch.equal(cache[:TOKENS], kept[:TOKENS])
    assert torch.equal(cache[2 * TOKENS:], kept[2 * TOKENS:])


def test_an_empty_list_changes_nothing(run):
    before = run.outputs.clone()
    assert run.step(torch.arange(0), run.inputs[:0]).active.total == 0
    assert torch.equal(run.outputs, before)


def test_the_memory_of_a_camera_is_its_own(run, generator):
    other = run.block.allocate(TOKENS, CPU)
    every = torch.arange(len(run.inputs))
    run.block.dense(other, run.rows(every), run.inputs)
    index, values = some_rows(run, 20, generator)
    run.block.update(other, run.rows(index), values, BlockThresholds())
    run.step(*some_rows(run, len(run.inputs), generator))
    assert run.error() < 1e-5


def test_half_precision_stays_close(network, generator):
    run = BlockRun(network, FastReuseBlock, dtype=torch.bfloat16)
    for _ in range(3):
        run.step(*some_rows(run, len(run.inputs), generator))
    assert run.outputs.dtype == torch.float32
    assert (run.outputs - run.dense_outputs()).norm() < 0.02 * run.outputs.norm()


def test_half_precision_reuses_too(network):
    run = BlockRun(network, FastReuseBlock, dtype=torch.bfloat16)
    every = torch.arange(len(run.inputs))
    update = run.step(every, run.inputs + 1e-3, task=[0.5] * 4)
    assert update.computed == (TOKENS, 0, 0, 0)
    assert (run.outputs - run.dense_outputs()).norm() < 0.02 * run.outputs.norm()


def test_a_shared_block_has_one_encoder(network, generator):
    run = BlockRun(network, FastBlock, shared=True)
    for _ in range(3):
        run.step(*some_rows(run, TOKENS, generator))
    assert run.error() < 1e-5


def test_the_state_knows_its_bytes(network):
    run = BlockRun(network, FastBlock)
    assert run.state.nbytes == 4 * (3 * run.inputs.numel() + 4)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_the_residual_update_of_half_precision_is_a_sum_in_float32(network, dtype):
    weights = BlockWeights([network.shared_blocks[0]], dtype)
    mixed = torch.randn(40, weights.width, generator=torch.Generator().manual_seed(2))
    values, counts = 3 * mixed, (40,)

    update = weights.finish(values, mixed, counts)

    attended = weights.proj(mixed, counts)
    assert attended.dtype == dtype and update.dtype == torch.float32
    expanded = weights.mlp(values + attended, counts)
    assert torch.equal(update, attended.float() + expanded.float())
