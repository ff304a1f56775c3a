"""What is computed passes into what is carried along without a step."""

import torch

from mtshare_ros.motion.fusion import begin, border_share, fuse, join

SIZE = (48, 64)
ALIKE = torch.ones(SIZE, dtype=torch.bool)


def right_half():
    where = torch.zeros(SIZE, dtype=torch.bool)
    where[:, 32:] = True
    return where


def maps(depth, edges=100.0, label=3):
    normals = torch.zeros(*SIZE, 3)
    normals[..., 2] = -1
    return {'mask': torch.full(SIZE, label, dtype=torch.uint8),
            'confidence': torch.full(SIZE, 200, dtype=torch.uint8),
            'depth': torch.full(SIZE, depth), 'normals': normals,
            'edges': torch.full(SIZE, edges)}


def test_the_share_falls_from_the_border_inwards_and_is_none_beyond_its_reach():
    share = border_share(right_half())[20]
    assert share[32] > 0.7
    assert (share[32:37].diff() < 0).all()
    assert not share[38:].any()


def test_the_border_of_the_image_is_none_of_what_is_computed():
    assert not border_share(ALIKE).any()
    assert not border_share(right_half())[:, 50:].any()


def test_maps_pass_into_each_other_without_a_step():
    share = border_share(right_half())
    found = join(maps(2.0), maps(2.1), ALIKE, share)['depth'][20]
    shown = torch.where(right_half()[20], found, 2.0)
    assert shown.diff().abs().max() < 0.03
    torch.testing.assert_close(found[40:], torch.full((24,), 2.1))


def test_another_surface_ends_where_it_ends():
    share = border_share(right_half())
    found = join(maps(2.0), maps(4.0), ALIKE, share)['depth']
    torch.testing.assert_close(found, torch.full(SIZE, 4.0), rtol=0, atol=0.01)


def test_what_looks_otherwise_than_earlier_frames_tell_is_new_up_to_its_border():
    share = border_share(right_half())
    found = join(maps(2.0), maps(2.1), ~ALIKE, share)
    assert (found['depth'] == 2.1).all()
    assert torch.isfinite(found['normals']).all()


def test_what_lies_far_from_a_border_is_as_it_was_computed():
    share = border_share(right_half())
    found = join(maps(2.0), maps(2.1, edges=0.0), ALIKE, share)
    for name, values in maps(2.1, edges=0.0).items():
        assert torch.equal(found[name][:, 40:], values[:, 40:]), name


def test_labels_and_their_confidence_are_the_new_ones():
    share = border_share(right_half())
    found = join(maps(2.0, label=3), maps(2.0, label=5), ALIKE, share)
    assert (found['mask'] == 5).all() and found['confidence'].dtype == torch.uint8


def test_unknown_distances_stay_unknown_to_none_but_themselves():
    share = border_share(right_half())
    old = maps(2.0)
    old['depth'][:, 30:40] = torch.nan
    assert (join(old, maps(2.1), ALIKE, share)['depth'][:, 30:40] == 2.1).all()


def test_averages_pass_into_carried_ones_at_the_border_and_count_as_they_did():
    share = border_share(right_half())
    old, new = begin(maps(2.0)), maps(2.1)
    plain, bordered = fuse(old, new, ALIKE), fuse(old, new, ALIKE, border=share)
    assert bordered['depth'][20, 32] < plain['depth'][20, 32] - 0.01
    assert torch.equal(bordered['depth'][:, 40:], plain['depth'][:, 40:])
    assert torch.equal(bordered['weight'], plain['weight'])
