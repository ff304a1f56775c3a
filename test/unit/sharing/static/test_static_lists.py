"""Lists of fixed lengths hold what masks mark."""

from hypothesis import given, settings, strategies
import torch

from mtshare_ros.sharing.static.fixed_lists import MaskRow

FIRST, SECOND, THIRD = 100, 30, 60
PLACES = strategies.sets(strategies.integers(0, THIRD - 1), min_size=1)


def mask_of(entries: set[int], length: int) -> torch.Tensor:
    mask = torch.zeros(length, dtype=torch.bool)
    mask[[entry for entry in entries if entry < length]] = True
    return mask


@settings(max_examples=50, deadline=None)
@given(first=PLACES, second=PLACES, third=PLACES, size=strategies.integers(1, 120))
def test_each_list_holds_the_entries_of_its_mask_in_order(first, second, third, size):
    masks = {'first': mask_of(first, FIRST), 'second': mask_of(second, SECOND),
             'third': mask_of(third, THIRD)}
    row = MaskRow({name: len(mask) for name, mask in masks.items()}, torch.device('cpu'))
    running, counts = row.allocate(), torch.zeros(3, dtype=torch.int32)

    row.count(torch.cat(tuple(masks.values())), running, counts)

    assert counts.tolist() == [int(mask.sum()) for mask in masks.values()]
    wanted = ('third', size), ('first', 7), ('second', size)
    for (name, length), found in zip(wanted, row.lists(running, row.table(wanted))):
        expected = masks[name].nonzero()[:length, 0].tolist()
        if expected:
            assert found.tolist() == expected + [expected[-1]] * (length - len(expected))
        assert found.shape == (length,) and found.dtype == torch.int64
