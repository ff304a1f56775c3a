"""Lists of fixed lengths hold what masks mark."""

from hypothesis import given, settings, strategies
from pretended_cuda import pretended_cuda
import torch

from mtshare_ros.sharing.static.lists import listed


def mask_of(*entries: int, length: int = 10) -> torch.Tensor:
    mask = torch.zeros(length, dtype=torch.bool)
    mask[list(entries)] = True
    return mask


@settings(max_examples=50, deadline=None)
@given(entries=strategies.sets(strategies.integers(0, 99)), size=strategies.integers(1, 120))
def test_a_list_holds_the_entries_in_order(entries, size):
    found = listed(mask_of(*entries, length=100), size).tolist()

    expected = sorted(entries)[:size] or [0]
    assert found == expected + [expected[-1]] * (size - len(expected))


def test_a_list_can_be_made_in_a_graph_without_the_host():
    with pretended_cuda() as device:
        mask = mask_of(2, 5, 7).to('cuda:0')
        device.clear()
        found = listed(mask, 5)

        assert not device.synchronisations and device.launches == 6
        assert found.tolist() == [2, 5, 7, 7, 7]


def test_a_list_can_be_exported():
    class Lists(torch.nn.Module):
        def forward(self, mask):
            return listed(mask, 4)

    exported = torch.export.export(Lists(), (mask_of(1, 3),))

    for entries in ((1, 3), (), (0, 2, 4, 6, 8)):
        mask = mask_of(*entries)
        assert torch.equal(exported.module()(mask), listed(mask, 4))
