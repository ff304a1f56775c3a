"""Softmax attention that follows changed keys without attending to all of them."""

import pytest
import torch

from mtshare_ros.sharing import attention as incremental_attention
from mtshare_ros.sharing.attention import (
    attend_with_lse,
    AttentionMemory,
    LARGEST_SHARE,
)

CPU = torch.device('cpu')
HEADS, WIDTH = 2, 16


def draw(count, generator, spread=1.0):
    """Return random queries, keys and values (count, WIDTH); ``spread`` is that of the scores."""
    query, key, value = torch.randn(3, count, WIDTH, generator=generator)
    return query * spread ** 0.5, key * spread ** 0.5, value


def filled(rows, generator, spread=1.0):
    memory = AttentionMemory.allocate(rows, WIDTH, HEADS, torch.float32, CPU)
    every = torch.arange(rows)
    memory.renew(every, *draw(rows, generator, spread))
    return memory


def full_attention(query, key, value):
    """Return output (n, D) and log-sum-exp (n, heads) in float64, head by head."""
    outputs, sums = [], []
    for columns in torch.arange(WIDTH).split(WIDTH // HEADS):
        scores = query[:, columns].double() @ key[:, columns].double().T / len(columns) ** 0.5
        sums.append(scores.logsumexp(dim=1))
        outputs.append(scores.softmax(dim=1) @ value[:, columns].double())
    return torch.cat(outputs, dim=1), torch.stack(sums, dim=1)


def error(memory):
    """Return the largest distance of a memory's outputs from full attention."""
    mixed, log_sum = full_attention(memory.query, memory.key, memory.value)
    return max((memory.mixed - mixed).abs().max().item(),
               (memory.log_sum - log_sum).abs().max().item())


@pytest.mark.parametrize('queries, keys', [(1, 1), (5, 40), (40, 3)])
def test_the_log_sum_exp_comes_with_the_attention(queries, keys):
    generator = torch.Generator().manual_seed(queries)
    query = draw(queries, generator)[0]
    _, key, value = draw(keys, generator)
    attended = attend_with_lse(query, key, value, HEADS)
    mixed, log_sum = full_attention(query, key, value)
    assert torch.allclose(attended.mixed.double(), mixed, atol=1e-5)
    assert torch.allclose(attended.log_sum.double(), log_sum, atol=1e-5)


def test_the_plain_computation_agrees_where_no_kernel_is_at_hand(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    rows = draw(20, generator)
    fused = attend_with_lse(*rows, HEADS)
    plain_kernel = incremental_attention._plain
    monkeypatch.setattr(incremental_attention, '_kernel_for', lambda *_: plain_kernel)
    plain = attend_with_lse(*rows, HEADS)
    assert torch.allclose(plain.mixed, fused.mixed, atol=1e-5)
    assert torch.allclose(plain.log_sum, fused.log_sum, atol=1e-5)


def test_a_kernel_that_this_pytorch_lacks_is_passed_over(monkeypatch):
    def missing(*_):
        raise AttributeError('no such operator')

    monkeypatch.setattr(incremental_attention, '_flash_cpu', missing)
    choose = incremental_attention._kernel_for.__wrapped__
    assert choose('cpu', torch.float32, 8) is incremental_attention._plain


@pytest.mark.parametrize('changed', [1, 4, 13])
def test_sixty_updates_equal_full_attention(changed):
    generator = torch.Generator().manual_seed(changed)
    memory = filled(40, generator)
    for _ in range(60):
        rows = torch.randperm(40, generator=generator)[:changed].sort().values
        memory.renew(rows, *draw(changed, generator))
        assert error(memory) < 1e-5


@pytest.mark.parametrize('spread', [1.0, 4.0])
def test_a_thousand_updates_without_refresh_do_not_drift(spread):
    generator = torch.Generator().manual_seed(0)
    memory = filled(40, generator, spread)
    worst = 0.0
    for step in range(1000):
        rows = 20 + torch.randperm(20, generator=generator)[:3].sort().values
        memory.renew(rows, *draw(3, generator, spread))  # rows 0 to 19 are only ever merged
        if step % 50 == 49:
            worst = max(worst, error(memory))
    assert worst < 1e-4


def with_an_attractor(generator):
    """Return a memory in which nearly all attention is on key 3."""
    memory = filled(40, generator)
    query = torch.ones(40, WIDTH) + 0.1 * memory.query
    key = 0.1 * memory.key
    key[3] = 6.0
    memory.renew(torch.arange(40), query, key, memory.value.clone())
    return memory


def test_tokens_that_lose_nearly_all_their_weight_are_computed_anew(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    memory = with_an_attractor(generator)
    query, key, value = draw(1, generator)
    memory.renew(torch.tensor([3]), query, 0.1 * key, value)
    assert error(memory) < 1e-5

    monkeypatch.setattr(incremental_attention, 'LARGEST_LOSS', 2.0)
    memory = with_an_attractor(torch.Generator().manual_seed(0))
    memory.renew(torch.tensor([3]), query, 0.1 * key, value)
    assert error(memory) > 1e-3  # the guard was needed


def test_a_key_that_outweighs_all_others_does_not_overflow():
    generator = torch.Generator().manual_seed(0)
    memory = filled(40, generator)
    query = torch.full((40, WIDTH), 20.0)
    memory.renew(torch.arange(40), query, torch.zeros_like(query), memory.value.clone())
    memory.renew(torch.tensor([5]), query[:1], query[:1], memory.value[:1] + 1)
    assert torch.isfinite(memory.mixed).all()
    assert error(memory) < 1e-3  # of a log-sum-exp above 1000


def test_a_key_that_was_not_a_number_leaves_no_trace():
    generator = torch.Generator().manual_seed(0)
    memory = filled(40, generator)
    row = torch.tensor([7])
    broken = torch.full((1, WIDTH), torch.nan)
    memory.renew(row, broken, broken, broken)
    memory.renew(row, *draw(1, generator))
    assert error(memory) < 1e-5


def count_queries(monkeypatch):
    """Return a list that grows by (queries, keys) with every call of the attention."""
    calls, kept = [], attend_with_lse

    def attend(query, key, value, heads):
        calls.append((query.shape[0], key.shape[0]))
        return kept(query, key, value, heads)

    monkeypatch.setattr(incremental_attention, 'attend_with_lse', attend)
    return calls


def test_the_cost_falls_with_the_number_of_changed_keys(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    memory = filled(40, generator)
    calls = count_queries(monkeypatch)
    memory.renew(torch.tensor([1, 8]), *draw(2, generator))
    assert calls[:2] == [(40, 2), (40, 2)]  # all queries over the new keys, and over the old
    assert calls[2][0] < 40 and calls[2][1] == 40


def test_many_changed_keys_take_the_full_attention(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    memory = filled(40, generator)
    calls = count_queries(monkeypatch)
    count = int(40 * LARGEST_SHARE) + 1
    memory.renew(torch.arange(count), *draw(count, generator))
    assert calls == [(40, 40)]
    assert error(memory) < 1e-5


def test_no_changed_key_costs_nothing(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    memory = filled(40, generator)
    calls = count_queries(monkeypatch)
    memory.renew(torch.arange(0), *draw(0, generator))
    assert calls == []


def test_sums_are_kept_in_single_precision_where_keys_are_not():
    generator = torch.Generator().manual_seed(0)
    memory = AttentionMemory.allocate(40, WIDTH, HEADS, torch.bfloat16, CPU)
    memory.renew(torch.arange(40), *(item.bfloat16() for item in draw(40, generator)))
    for _ in range(20):
        rows = torch.randperm(40, generator=generator)[:3].sort().values
        memory.renew(rows, *(item.bfloat16() for item in draw(3, generator)))
    assert memory.mixed.dtype == torch.float32
    assert error(memory) < 0.03


def test_the_parts_of_a_memory_attend_to_themselves_only():
    generator = torch.Generator().manual_seed(0)
    memory = AttentionMemory.allocate(80, WIDTH, HEADS, torch.float32, CPU)
    halves = memory.part(0, 40), memory.part(40, 80)
    for half in halves:
        half.renew(torch.arange(40), *draw(40, generator))
    before = memory.mixed[:40].clone()
    halves[1].renew(torch.tensor([2]), *draw(1, generator))
    assert torch.equal(memory.mixed[:40], before)
    assert error(halves[1]) < 1e-5


def test_the_memory_knows_its_bytes():
    memory = AttentionMemory.allocate(40, WIDTH, HEADS, torch.float32, CPU)
    assert memory.nbytes == 4 * (4 * 40 * WIDTH + 40 * HEADS)
