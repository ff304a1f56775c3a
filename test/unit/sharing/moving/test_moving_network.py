"""A network that follows a view over the world."""

import copy
from dataclasses import replace
import math

from branched import GRID
import pytest
import torch
from views import buffers_of, Follower, FULL, PATCHES, runner_of, SHAPES

from mtshare_ros.errors import ConfigError
from mtshare_ros.sharing.frame_work import COMPUTED, KEPT, REFRESHED, REUSED
from mtshare_ros.sharing.moving.moving_network import MovingState, WorldRotations
from mtshare_ros.sharing.sharing_settings import SharingSettings

pytestmark = pytest.mark.usefixtures('no_gradients')
shapes = pytest.mark.parametrize('shape', SHAPES)


def tokens_by_patch(follower, buffer):
    """Return a buffer (M x T, ...) as (M, T, ...)."""
    return buffer.view(-1, follower.state.transformer.token_count, *buffer.shape[1:])


def copied(follower):
    """Return the same camera with its rows copied to where the view shows them."""
    other = copy.copy(follower)
    ring = follower.state.ring
    camera, transformer = copy.deepcopy((follower.state.camera, follower.state.transformer))
    for buffer in buffers_of(transformer):
        tokens = tokens_by_patch(follower, buffer)
        tokens[:, :PATCHES] = tokens[:, ring.rows]
    unrolled = replace(ring, rows=torch.arange(PATCHES))
    rotations = WorldRotations(runner_of(follower), transformer, unrolled)
    other.state = MovingState(
        camera, replace(transformer, rotations=rotations.table), unrolled, rotations,
        follower.moving.take(follower.cache).projected)
    return other


def spoilt(follower):
    """Spoil what the rows of new patches held before."""
    for buffer in buffers_of(follower.state.transformer):
        tokens_by_patch(follower, buffer)[:, follower.state.ring.rows[follower.state.ring.new]] = (
            math.nan)


@shapes
def test_all_patches_equal_dense_wherever_the_view_stands(shape):
    follower = Follower(shape)
    assert follower.error() < 1e-5
    for place in ((4, 6), (9, 1), (0, 12)):
        follower.look(*place)
        follower.run_all()
        assert follower.error() < 1e-5


def test_far_from_where_it_began_all_patches_equal_dense():
    follower = Follower('registers')
    follower.state.ring = follower.state.ring.scrolled(-30_000, 70_000)
    follower.run_all()
    assert follower.error() < 1e-4


@shapes
def test_all_patches_cost_what_a_whole_frame_does(shape):
    follower = Follower(shape)
    assert follower.run_all().macs == follower.first.macs


@shapes
@pytest.mark.parametrize('settings', [FULL, SharingSettings(temporal=False), SharingSettings()])
def test_a_scroll_gives_the_rows_that_copying_them_would(shape, settings):
    ringed = Follower(shape)
    ringed.look(4, 5)
    ringed.run([3, 20], settings)
    ringed.look(3, 6)
    aside = copied(ringed)
    for follower in (ringed, aside):
        follower.run([9, 10, 30], settings)
    for task in ringed.tasks:
        assert (ringed.rows(task) - aside.rows(task)).norm() < 1e-4 * ringed.rows(task).norm()


@shapes
def test_patches_that_are_not_computed_keep_their_rows(shape):
    follower = Follower(shape)
    before = follower.rows().view(*GRID, -1)
    follower.look(5, 4)
    follower.run()
    assert torch.equal(follower.rows().view(*GRID, -1)[:-1], before[1:])


@shapes
def test_a_patch_that_wants_the_row_of_another_gets_a_copy_of_all_that_it_holds(shape):
    follower = Follower(shape)
    follower.run([9, 10])
    places = torch.cartesian_prod(torch.arange(GRID[0]), torch.arange(GRID[1])).float()
    places[10, 1] = 1.3
    follower.state.follow(places)
    original, copy_ = follower.state.ring.rows[[9, 10]].tolist()
    for buffer in buffers_of(follower.state.transformer):
        tokens = tokens_by_patch(follower, buffer)
        assert torch.equal(tokens[:, copy_], tokens[:, original])
    assert not any(item.known[copy_] for item in follower.state.projected.values())


@shapes
def test_nothing_is_copied_when_the_view_scrolls(shape):
    follower = Follower(shape)
    buffers = buffers_of(follower.state.transformer)
    before = [(buffer.data_ptr(), buffer.clone()) for buffer in buffers]
    follower.look(6, 2)
    follower.state.rotations.renew(follower.state.ring)
    for buffer, (pointer, value) in zip(buffers_of(follower.state.transformer), before):
        assert buffer.data_ptr() == pointer and torch.equal(buffer, value)
    follower.run()
    pointers = [buffer.data_ptr() for buffer in buffers_of(follower.state.transformer)]
    assert pointers == [pointer for pointer, _ in before]


@shapes
@pytest.mark.parametrize('settings', [SharingSettings(temporal=False), SharingSettings()])
def test_nothing_builds_on_what_a_row_held_before_it_wrapped(shape, settings):
    clean, dirty = Follower(shape), Follower(shape)
    for follower in (clean, dirty):
        follower.look(5, 6)
    spoilt(dirty)
    for follower in (clean, dirty):
        follower.run([8, 9], settings)
        follower.run([8, 9, 40], settings)
    for task in clean.tasks:
        assert torch.equal(dirty.rows(task), clean.rows(task))


def test_new_patches_must_be_listed():
    follower = Follower('encoders')
    follower.look(4, 5)
    with pytest.raises(ValueError, match='15, 23.*must be computed'):
        follower.moving.run(follower.state, torch.zeros(1, 3, 96, 128, dtype=torch.uint8),
                            follower.tasks, FULL, torch.tensor([3, 7]))
    assert follower.state.ring.new.sum() == GRID[0]


def test_refreshed_and_new_patches_are_computed_in_full_and_others_may_be_reused():
    follower = Follower('encoders')
    follower.look(4, 5)
    refreshed = torch.zeros(PATCHES, dtype=torch.bool)
    refreshed[[10, 11]] = True
    eager = SharingSettings(temporal=False, task_threshold=10.0)
    work = follower.run([10, 11, 20, 21], eager, refreshed=refreshed)
    marks = work.activity('depth').view(GRID)
    assert (marks[:, -1] == REFRESHED).all()
    assert marks.flatten()[[10, 11, 20, 21]].tolist() == [REFRESHED] * 2 + [REUSED] * 2
    assert (marks != KEPT).sum() == 4 + GRID[0]
    assert torch.equal(work.due, refreshed | (marks.flatten() == REFRESHED))


def test_block_gates_drop_patches_where_the_settings_say_so():
    follower = Follower('encoders')
    marks = follower.run([5, 6, 7], SharingSettings(task=False)).activity('depth')
    assert (marks == KEPT).all()
    marks = follower.run([5, 6, 7], FULL).activity('depth')
    assert marks[5:8].tolist() == [COMPUTED] * 3


@shapes
def test_what_changed_is_told_in_patches_of_the_view(shape):
    follower = Follower(shape)
    follower.look(2, 4)
    work = follower.run([30])
    expected = [*range(2 * GRID[1]), 30]
    assert work.entered == len(expected)
    for item in work.tasks.values():
        assert item.changed.tolist() == expected
        assert item.run.survivors.tolist() == expected


def test_a_stem_that_feeds_heads_is_counted_whole():
    follower = Follower('encoders')
    none, one = follower.run([]), follower.run([5])
    stem = follower.sharing.runners('fast').stem.macs_per_patch
    assert none.macs >= PATCHES * stem
    assert one.macs > none.macs


def test_the_ages_of_the_view_are_those_of_its_patches():
    follower = Follower('encoders')
    for column in (5, 6, 7):
        follower.look(4, column)
        work = follower.run()
    assert work.tasks['depth'].oldest_age == 3
    age = follower.state.camera.ages[0][follower.state.ring.rows].view(GRID)
    assert age[0].tolist() == [3, 3, 3, 3, 3, 2, 1, 0]


def test_an_encoder_that_missed_frames_of_a_moving_view_starts_anew():
    follower = Follower('encoders')
    three = ('semseg', 'depth', 'normals')
    for tasks in (three, three[:2], three):
        follower.tasks = tasks
        follower.look(4, follower.at[1] + 1)
        work = follower.run([3, 4])
    assert work.tasks['normals'].computed[-1] == 1.0
    assert work.tasks['depth'].computed[-1] == (2 + GRID[0]) / PATCHES
    output = follower.cache.camera.heads['normals'].raw.clone()
    follower.state.projected = follower.moving.take(follower.cache).projected
    follower.run([3, 4])
    assert (follower.cache.camera.heads['normals'].raw - output)[0, :, :4, 12:20].norm() < 1e-4


def test_the_network_at_rest_goes_on_after_a_whole_frame():
    follower = Follower('encoders')
    follower.look(7, 1)
    follower.run()
    follower.cache.reset('the camera rests')
    follower.rest()
    assert follower.error() < 1e-5


def test_blocks_of_another_kind_are_refused():
    follower = Follower('encoders')
    follower.cache.camera.kind = 'accurate'
    with pytest.raises(ConfigError, match="'accurate'.*use 'fast'"):
        follower.moving.take(follower.cache)
