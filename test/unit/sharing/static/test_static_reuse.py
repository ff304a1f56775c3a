"""Sub-tasks compute a share of the base task's rows, and take the others over."""

from beside import error, image_of, network_of, Present, ROWS, Static
from padded import padded
import pytest
import torch

from mtshare_ros.errors import ConfigError
from mtshare_ros.tasks import DEFAULT_TASKS

pytestmark = pytest.mark.usefixtures('no_gradients')
shapes = pytest.mark.parametrize('shape', ['convolutions', 'absolute', 'registers', 'taps'])
reuses = pytest.mark.parametrize('reuse', [2, 3, 4])
MANY = torch.arange(0, 48, 2)


def encoders(shape, reuse, prefix=2, **options):
    """Return an encoder in which every encoder computes every row, and one that reuses rows."""
    network = network_of(shape, prefix)
    return [Static(network, image_of(0), reuse=number, **options) for number in (1, reuse)]


def of_encoders(static):
    """Return what heads read (M, T, D) behind each block of the encoders' own."""
    return [part for taps, rows in static.state.taps.items()
            for tap, part in zip(taps, rows.chunk(len(taps), dim=2)) if tap.block > 2]


@shapes
@reuses
@pytest.mark.parametrize('prefix', [0, 2])
def test_whole_frames_equal_the_engine(shape, reuse, prefix):
    network = network_of(shape, prefix)
    static, present = Static(network, image_of(0), reuse=reuse), Present(network, image_of(0))
    assert error(static, present) < 1e-5


@shapes
@reuses
def test_where_a_share_of_the_list_holds_every_row_nothing_is_reused(shape, reuse):
    network = network_of(shape, 2)
    static, present = Static(network, image_of(0), reuse=reuse), Present(network, image_of(0))
    for number in (3, 6):
        static.see(image_of(number), padded(ROWS, 8 * (reuse - 1) + 5 * reuse))
        present.see(image_of(number), ROWS)
        assert error(static, present) < 1e-5


@shapes
@reuses
def test_the_rows_of_the_base_task_are_all_computed(shape, reuse):
    every, some = encoders(shape, reuse)
    for static in (every, some):
        static.see(image_of(5), MANY)
    for expected, found in zip(of_encoders(every), of_encoders(some), strict=True):
        assert (found[0] - expected[0]).norm() < 1e-5 * expected[0].norm()
        assert (found[1:] - expected[1:]).norm() > 1e-4 * expected[1:].norm()


@shapes
@reuses
def test_reused_tokens_keep_their_difference_to_the_base_task(shape, reuse):
    static = encoders(shape, reuse)[1]
    before = [rows.clone() for rows in (*of_encoders(static), *static.state.own)]
    trunk = static.state.trunk.clone()
    static.see(image_of(5), MANY)
    reused = (static.state.trunk == trunk).all(dim=1)
    assert reused[MANY].sum() == len(MANY) - computed_of(static, reuse)
    for old, new in zip(before, (*of_encoders(static), *static.state.own)):
        gap, kept = new - new[:1], old - old[:1]
        assert torch.allclose(gap[:, reused], kept[:, reused], atol=1e-5)
        assert not torch.allclose(new[1:, MANY][:, reused[MANY]], old[1:, MANY][:, reused[MANY]])


def computed_of(static, reuse):
    """Return how many patches of ``MANY`` a sub-task computes beside the prefix rows."""
    prefix = len(static.state.prefix_index)
    return -(-(len(MANY) + prefix) // reuse) - prefix


@shapes
def test_the_prefix_rows_are_computed_by_all(shape):
    static = encoders(shape, 4)[1]
    trunk = static.state.trunk.clone()
    static.see(image_of(5), MANY)
    prefix = static.state.prefix_index
    assert (static.state.trunk[prefix] != trunk[prefix]).any(dim=1).sum() == len(prefix)


@shapes
def test_forced_rows_come_first_and_behind_those_that_were_never_computed(shape):
    static = encoders(shape, 4)[1]
    static.state.trunk[40] = torch.inf
    trunk, forced = static.state.trunk.clone(), (2, 6, 44)
    static.see(image_of(1), MANY, forced=forced)
    changed = (static.state.trunk != trunk).any(dim=1).nonzero()[:, 0].tolist()
    assert {40, *forced[:2]} <= set(changed)


def test_the_rows_that_changed_most_are_computed():
    static = encoders('convolutions', 4)[1]
    trunk = static.state.trunk.clone()
    static.see(image_of(5), MANY)
    exact = Static(network_of('convolutions', 2), image_of(0), reuse=2)
    exact.see(image_of(5), padded(MANY, len(MANY)))
    moved = (exact.state.trunk - trunk).norm(dim=1)
    computed = (static.state.trunk != trunk).any(dim=1)
    assert computed.sum() == 6
    assert moved[computed].min() > moved[MANY][~computed[MANY]].max()


def test_entries_that_repeat_the_last_one_change_no_bit():
    exact, longer = (encoders('taps', 2)[1] for _ in range(2))
    for number in (3, 6):
        exact.see(image_of(number), ROWS)
        longer.see(image_of(number), padded(ROWS, 1))
    assert len(ROWS) + 1 == 9 and len(exact.state.prefix_index) == 1
    assert all(map(torch.equal, exact.state.taps.values(), longer.state.taps.values()))
    assert torch.equal(exact.state.own, longer.state.own)


@pytest.mark.parametrize('dtype, bound', [(torch.float16, 2e-2), (torch.bfloat16, 1e-1)])
def test_reuse_again_and_again_stays_close_in_other_formats(dtype, bound):
    exact, rounded = (Static(network_of('registers', 2), image_of(0), reuse=2, dtype=kind)
                      for kind in (torch.float32, dtype))
    for number in range(1, 21):
        for static in (exact, rounded):
            static.see(image_of(number), MANY)
    for expected, found in zip(of_encoders(exact), of_encoders(rounded)):
        assert (found - expected).norm() < bound * expected.norm()


def test_work_is_counted_by_the_rows_of_each_encoder():
    every, some = (static.transformer for static in encoders('convolutions', 2))
    shared = Static(network_of('convolutions', 4), image_of(0), reuse=2).transformer
    assert every.macs((6, 8), 48) == every.dense_macs((6, 8)) == some.dense_macs((6, 8))
    # two shared blocks and two of four encoders, three of which compute half of the rows
    assert some.macs((6, 8), 24) * 20 == every.macs((6, 8), 24) * 14
    assert shared.macs((6, 8), 24) * 5 == every.macs((6, 8), 24) * 2


@pytest.mark.parametrize('tasks', [('depth',), ('depth', 'edge'), ('semseg',)])
def test_without_the_base_task_and_another_one_nothing_is_reused(tasks):
    every, some = encoders('convolutions', 2, tasks=tasks)
    for static in (every, some):
        static.see(image_of(5), MANY)
    assert all(map(torch.equal, every.state.taps.values(), some.state.taps.values()))


def test_a_share_of_nothing_is_refused():
    with pytest.raises(ConfigError, match='reuse is 0'):
        Static(network_of('convolutions', 2), image_of(0), tasks=DEFAULT_TASKS, reuse=0)
