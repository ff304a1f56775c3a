"""Decode heads on lists of fixed lengths give what the network's heads do for the same rows."""

from head_shapes import LOCAL, network_of, SHAPES
import pytest
from static_heads import HeadsCase
import torch

from mtshare_ros.sharing.head import make_head
from mtshare_ros.tasks import DEFAULT_TASKS

PATCHES = {'a corner': [0], 'the last corner': [47], 'a blob': [11, 12, 19, 20, 21],
           'all': list(range(48)), 'scattered': [3, 5, 17, 30, 40, 46]}

pytestmark = pytest.mark.usefixtures('no_gradients')
shapes = pytest.mark.parametrize('shape', SHAPES)


@shapes
def test_whole_frames_give_the_output_of_the_network(shape):
    heads = HeadsCase(network_of(shape))
    heads.check()
    heads.renew(torch.arange(48))
    heads.heads.dense(heads.state, heads.taps, heads.stem)
    heads.check()


@shapes
def test_changes_after_changes_give_the_output_of_the_network(shape):
    heads = HeadsCase(network_of(shape))
    for patches in PATCHES.values():
        heads.change(torch.tensor(patches), more=5)
        heads.check()


@shapes
def test_entries_that_repeat_the_last_one_change_no_bit(shape):
    exact, longer = (HeadsCase(network_of(shape)) for _ in range(2))
    for patches in PATCHES.values():
        # no list has fewer than eight entries: products of so few rows are computed otherwise
        exact.change(torch.tensor(patches), more=8)
        longer.change(torch.tensor(patches), more=15)
    for task in DEFAULT_TASKS:
        assert torch.equal(exact.raw(task), longer.raw(task))


@pytest.mark.parametrize('tasks', [('depth',), ('semseg', 'edge'), ('depth', 'normals')])
@pytest.mark.parametrize('shape', ['heads of four encoders', 'two groups of four taps',
                                   'two groups of four encoders'])
def test_heads_of_some_tasks_give_the_output_of_the_network(shape, tasks):
    heads = HeadsCase(network_of(shape), tasks)
    heads.change(torch.tensor(PATCHES['a blob']), more=3)
    heads.check()


@shapes
def test_the_sums_tell_of_a_number_that_is_none(shape):
    heads = HeadsCase(network_of(shape))
    sums = torch.full((len(heads.tasks),), torch.nan)
    heads.heads.sums(heads.state, sums)
    for task, value in zip(heads.tasks, sums):
        torch.testing.assert_close(value, heads.raw(task).sum(), rtol=1e-4, atol=1e-3)
    rows = next(iter(heads.taps.values()))
    rows[:, 20] = torch.nan
    heads.update(torch.tensor([20]))
    heads.heads.sums(heads.state, sums)
    assert not sums.isfinite().all()


@shapes
def test_all_patches_cost_what_the_heads_of_the_engine_do(shape):
    heads = HeadsCase(network_of(shape))
    present = sum(make_head(heads.network, task).dense_macs(heads.grid) for task in heads.tasks)
    assert heads.heads.macs(heads.state, 48) == present


@pytest.mark.parametrize('shape', LOCAL)
def test_local_heads_reach_as_far_as_those_of_the_engine(shape):
    heads = HeadsCase(network_of(shape))
    for task in heads.tasks:
        assert heads.heads.geometries[task] == make_head(heads.network, task).geometry


def test_heads_that_every_patch_reaches_everywhere_have_no_geometry():
    geometries = HeadsCase(network_of('heads of all kinds')).heads.geometries
    assert [task for task, item in geometries.items() if item is None] == ['depth']
    assert geometries['semseg'].borders == ()
