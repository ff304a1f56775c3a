"""Row lists of several encoders."""

import pytest
import torch

from mtshare_ros.model.backbone import rotary_table
from mtshare_ros.sharing.active_tokens import ActiveTokens, count_by_encoder, RotationTable

N = 10


def listed(*index, encoders=3, **rest):
    rows = torch.tensor(index, dtype=torch.int64)
    return ActiveTokens(rows, count_by_encoder(rows, encoders, N), N, **rest)


def marked(*rows):
    return torch.zeros(3 * N, dtype=torch.bool).index_fill_(0, torch.tensor(rows), True)


@pytest.mark.parametrize('index, counts', [
    ((), (0, 0, 0)),
    ((0, 9, 10, 29), (2, 1, 1)),
    ((20, 21), (0, 0, 2)),
    (tuple(range(30)), (10, 10, 10)),
])
def test_tokens_are_counted_by_encoder(index, counts):
    assert listed(*index).counts == counts


def test_a_list_of_one_encoder_is_its_own():
    assert count_by_encoder(torch.arange(7), 1, N) == (7,)


def test_a_token_names_the_token_it_stands_for():
    assert listed(3, 13, 29).positions.tolist() == [3, 3, 9]


@pytest.mark.parametrize('encoders', [1, 3])
def test_every_token_gets_the_value_of_its_encoder(encoders):
    rows = listed(1, 2, 5, encoders=1) if encoders == 1 else listed(1, 2, 15, 20)
    values = torch.arange(1.0, encoders + 1)
    spread = rows.per_token(values).expand(rows.total)
    assert spread.tolist() == ([1, 1, 1] if encoders == 1 else [1, 1, 2, 3])


def test_a_part_of_a_list_keeps_what_belongs_to_its_tokens():
    turns = RotationTable(rotary_table(2, 5, 8, torch.device('cpu')), torch.float32)
    rows = listed(1, 2, 15, 20, marks=marked(1, 20), rotations=turns)
    part = rows.at(torch.tensor([1, 3]))
    assert part.index.tolist() == [2, 20] and part.counts == (1, 0, 1)
    assert part.positions.tolist() == [2, 0] and part.encoders.tolist() == [0, 2]
    assert part.forced.tolist() == [False, True]
    assert torch.equal(part.rotation.cosine, turns.of(torch.tensor([2, 0])).cosine)
    assert part.token_count == N


def test_an_empty_part_has_no_tokens_of_any_encoder():
    assert listed(1, 15).at(torch.arange(0)).counts == (0, 0, 0)


def test_marking_other_tokens_leaves_the_list_as_it_is():
    rows = listed(1, 2)
    forced = rows.mark(marked(2))
    assert forced.forced.tolist() == [False, True] and forced.index is rows.index
    assert rows.forced is None


def test_a_list_is_certain_where_every_token_is_marked():
    assert listed(1, 20, marks=marked(1, 5, 20)).certain
    assert not listed(1, 2, marks=marked(1)).certain
    assert not listed(1, 2).certain
