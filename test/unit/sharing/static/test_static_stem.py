"""The stem on lists of fixed lengths gives what the network's does for the same image."""

from padded import padded
import pytest
from sparse_parts import exchange, GRID, make_image, make_network, MASKS, rows_of
import torch

from mtshare_ros.sharing.static.static_stem import StaticStem

CPU = torch.device('cpu')
STEMS = ('conv', 'patch')

pytestmark = pytest.mark.usefixtures('no_gradients')
kinds = pytest.mark.parametrize('kind', STEMS)


class Stem:
    """A network's stem beside the static one, both fed with the same reference image."""

    def __init__(self, kind, dtype=torch.float32):
        self.network = make_network(stem=kind)
        self.static = StaticStem(self.network, dtype)
        self.state = self.static.allocate(GRID, CPU)
        self.image = make_image()
        self.tokens = self.static.dense(self.state, self.image)

    def change(self, mask, *, patches=None, seed=1, more=5):
        """Let other patches enter, in lists that are ``more`` entries too long."""
        other = make_image(seed=seed)
        self.image = exchange(self.image, other, mask)
        patches = rows_of(self.static.affected(mask)) if patches is None else patches
        listed = padded(patches, more)
        found = self.static.update(self.state, other, padded(rows_of(mask), more), listed)
        self.tokens[listed] = found

    def error(self):
        """Return the largest difference of tokens and features from the network's."""
        expected = self.network.stem(self.network.normalize(self.image))
        pairs = [(self.tokens, expected.tokens)]
        if expected.quarter is not None:
            pairs += [(self.state.quarter[:-1], expected.quarter),
                      (self.state.eighth[:-1], expected.eighth)]
        return max((found - features[0].flatten(1).T).abs().max().item()
                   for found, features in pairs)


@kinds
def test_a_whole_frame_gives_the_tokens_of_the_network(kind):
    assert Stem(kind).error() < 1e-5


@kinds
@pytest.mark.parametrize('name', [name for name in MASKS if name != 'none'])
def test_changed_patches_and_what_they_reach_equal_a_dense_stem(kind, name):
    stem = Stem(kind)
    stem.change(MASKS[name])
    assert stem.error() < 1e-5


@kinds
def test_random_changes_after_each_other_equal_a_dense_stem(kind):
    stem, generator = Stem(kind), torch.Generator().manual_seed(0)
    for seed in range(2, 12):
        stem.change(torch.rand(GRID, generator=generator) < 0.15, seed=seed)
    assert stem.error() < 1e-5


@kinds
def test_patches_that_did_not_change_may_be_computed_too(kind):
    stem = Stem(kind)
    affected = stem.static.affected(MASKS['blob'])
    affected = affected | MASKS['first corner'] | MASKS['last corner']
    stem.change(MASKS['blob'], patches=rows_of(affected))
    assert stem.error() < 1e-5


@kinds
def test_entries_that_repeat_the_last_one_change_no_bit(kind):
    exact, longer = Stem(kind), Stem(kind)
    for name, mask in MASKS.items():
        if name != 'none':
            exact.change(mask, more=0)
            longer.change(mask, more=11)
    assert torch.equal(exact.tokens, longer.tokens)
    assert all(torch.equal(*maps) for maps in zip(exact.state.maps, longer.state.maps))


@kinds
@pytest.mark.parametrize('dtype, bound', [(torch.float16, 5e-3), (torch.bfloat16, 4e-2)])
def test_other_formats_stay_close_up_to_the_border_of_the_image(kind, dtype, bound):
    stem = Stem(kind, dtype)
    for name in ('last corner', 'right edge', 'blob'):
        stem.change(MASKS[name])
    assert stem.tokens.dtype == dtype
    assert stem.error() < bound * stem.tokens.float().abs().max()


@kinds
def test_the_tables_belong_to_the_state(kind):
    stem = Stem(kind)
    tables = [table for table in (
        stem.state.every, stem.state.transmitted_table, stem.state.patch_table)
        if table is not None]
    maps = sum(rows.nbytes for rows in stem.state.maps)
    assert stem.state.nbytes == maps + sum(table.nbytes for table in tables)
