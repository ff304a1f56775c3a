"""Attention of some rows against all keys and values, and the positions turned into them."""

from branched import CPU, GRID, TOKENS
import pytest
import torch
from torch.nn import functional

from mtshare_ros.model.backbone import rotary_table
from mtshare_ros.sharing.active_tokens import RotationTable
from mtshare_ros.sharing.attention import attend, KeyValueCache

HEADS, WIDTH = 2, 32


def draw(count, seed=0):
    return torch.randn(count, WIDTH, generator=torch.Generator().manual_seed(seed))


def split(rows):
    """Return (1, heads, n, head_dim)."""
    return rows.view(len(rows), HEADS, -1).transpose(0, 1)[None]


def whole_attention(query, key, value):
    mixed = functional.scaled_dot_product_attention(split(query), split(key), split(value))
    return mixed[0].transpose(0, 1).reshape(-1, WIDTH)


def test_rows_turn_as_the_whole_grid_does():
    table = rotary_table(*GRID, WIDTH // HEADS, CPU)
    whole = table.rotate(split(draw(TOKENS)))[0].transpose(0, 1)
    tokens = torch.tensor([0, 7, 8, 30, 47])
    turn = RotationTable(table, torch.float32).of(tokens)
    turned = turn.rotate_(draw(TOKENS).view(TOKENS, HEADS, -1)[tokens])
    assert torch.allclose(turned, whole[tokens], atol=1e-6)


def test_turning_keeps_lengths():
    turn = RotationTable(rotary_table(*GRID, WIDTH // HEADS, CPU), torch.float32)
    rows = draw(TOKENS).view(TOKENS, HEADS, -1)
    turned = turn.of(torch.arange(TOKENS)).rotate_(rows.clone())
    assert torch.allclose(turned.norm(dim=2), rows.norm(dim=2), atol=1e-5)
    assert not torch.allclose(turned, rows, atol=0.1)


@pytest.mark.parametrize('count', [1, 9, TOKENS])
def test_some_queries_see_all_keys(count):
    query, key, value = draw(count, 1), draw(TOKENS, 2), draw(TOKENS, 3)
    mixed = attend(query, key, value, HEADS)
    assert torch.allclose(mixed, whole_attention(query, key, value), atol=1e-6)


@pytest.mark.parametrize('counts', [(3, 5, 2), (0, 4, 0), (6, 0, 1), (0, 0, 0)])
def test_every_member_sees_its_own_keys_only(counts):
    query = draw(sum(counts), 1)
    key, value = draw(3 * TOKENS, 2), draw(3 * TOKENS, 3)
    cache = KeyValueCache.allocate(3, TOKENS, WIDTH, HEADS, torch.float32, CPU)
    cache.pairs.copy_(torch.cat((key, value), dim=1))
    mixed = cache.attend(query, counts)
    parts = zip(query.split(counts), key.split(TOKENS), value.split(TOKENS))
    expected = torch.cat([whole_attention(*part) for part in parts if len(part[0])] or [query])
    assert torch.allclose(mixed, expected, atol=1e-6)
