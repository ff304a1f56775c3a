"""Decode heads on lists of fixed lengths give what the network's heads do for the same rows."""

from head_shapes import network_of, SHAPES
import pytest
from static_heads import HeadsCase
import torch

from mtshare_ros.tasks import DEFAULT_TASKS

CELLS = {'a corner': [0], 'the last corner': [47], 'a blob': [11, 12, 19, 20, 21],
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
    for cells in CELLS.values():
        heads.change(torch.tensor(cells), more=5)
        heads.check()


@shapes
def test_entries_that_repeat_the_last_one_change_no_bit(shape):
    exact, longer = (HeadsCase(network_of(shape)) for _ in range(2))
    for cells in CELLS.values():
        exact.change(torch.tensor(cells))
        longer.change(torch.tensor(cells), more=7)
    for task in DEFAULT_TASKS:
        assert torch.equal(exact.raw(task), longer.raw(task))


@pytest.mark.parametrize('tasks', [('depth',), ('semseg', 'edge'), ('depth', 'normals')])
@pytest.mark.parametrize('shape', ['heads of four encoders', 'two groups of four taps',
                                   'two groups of four encoders'])
def test_heads_of_some_tasks_give_the_output_of_the_network(shape, tasks):
    heads = HeadsCase(network_of(shape), tasks)
    heads.change(torch.tensor(CELLS['a blob']), more=3)
    heads.check()
