"""What sharing did, counted by hand: two blocks, the second above the shared prefix."""

import numpy as np
import pytest
from tiny import TINY
import torch

from mtshare_ros.evaluation.activity import ActivityAccount, delta_blocks
from mtshare_ros.inference.prediction import FrameStats
from mtshare_ros.model.deltas import branch_out
from mtshare_ros.model.network import build_model

BLOCKS = {'depth': (1,), 'edge': ()}


def stats(*, depth=(0.5, 0.5), taken=(0.0, 0.0), semseg=(0.5, 0.5), refreshed=0.0, reason=''):
    return FrameStats(1.0, active={'semseg': semseg, 'depth': depth, 'edge': semseg},
                      reused={'semseg': (0.0, 0.0), 'depth': taken, 'edge': (0.5, 0.5)},
                      refreshed=refreshed, macs=30, dense_macs=100, reset_reason=reason)


def work_of(*frames, changed=None):
    account = ActivityAccount(BLOCKS)
    for frame in frames:
        account.add(frame, changed)
    return account.result()


def test_rows_taken_over_are_counted_where_weights_differ_reset_frames_included():
    found = work_of(stats(depth=(0.9, 1.0), reason='first frame'),
                    stats(depth=(0.9, 0.1), taken=(0.0, 0.3)),
                    stats(depth=(0.9, 0.2), taken=(0.0, 0.4)))

    assert found.reused_by_task == {'depth': pytest.approx(0.7 / 2.0), 'edge': None}
    assert found.reused == pytest.approx(0.7 / 2.0)


def test_without_delta_weights_nothing_can_be_taken_over():
    account = ActivityAccount({})
    account.add(stats())

    assert account.result().reused is None


def test_the_share_let_through_leaves_resets_and_rows_whose_turn_had_come_apart():
    # a fifth of the rows was due: of the other 80 %, 40 % and 20 % were let through
    found = work_of(stats(depth=(1.0, 1.0), semseg=(1.0, 1.0), reason='scene cut'),
                    stats(depth=(0.6, 0.3), taken=(0.0, 0.1), refreshed=0.2))

    assert found.gated_by_task['depth'] == pytest.approx((0.4 / 0.8 + 0.2 / 0.8) / 2)
    assert found.gated_by_task['semseg'] == pytest.approx(0.3 / 0.8)
    assert found.gated == pytest.approx(np.mean(list(found.gated_by_task.values())))
    assert found.resets == {'scene cut': 1}


def test_a_frame_that_refreshes_everything_says_nothing_of_the_gates():
    found = work_of(stats(refreshed=1.0, depth=(1.0, 1.0), semseg=(1.0, 1.0)))

    assert found.gated is None and found.gated_to_changed is None


def test_what_changed_counts_in_the_frames_that_the_gates_saw():
    account = ActivityAccount(BLOCKS)
    account.add(stats(reason='first frame'), None)
    account.add(stats(reason='scene cut'), 0.9)
    account.add(stats(depth=(0.3, 0.3), semseg=(0.3, 0.3)), 0.2)

    found = account.result()

    assert found.changed == pytest.approx(0.2)
    assert found.gated_to_changed == pytest.approx(found.gated / 0.2)


def test_the_work_is_summed_over_all_frames():
    found = work_of(stats(), stats(reason='first frame'))

    assert found.macs_share == pytest.approx(0.3)


def test_blocks_whose_weights_are_those_of_the_base_task_are_left_out(tiny_description):
    network = branch_out(build_model(TINY, tiny_description.tasks, 40), 0)
    with torch.no_grad():
        network.own_blocks('normals')[1].mlp.fc2.weight[3, 4] += 1

    assert delta_blocks(network) == {'depth': (), 'normals': (1,), 'edge': ()}


def test_a_network_that_shares_every_block_has_no_sub_task_rows(tiny_description):
    assert delta_blocks(build_model(TINY, tiny_description.tasks, 40)) == {}
