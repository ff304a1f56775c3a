"""Maps that are averaged over time."""

import pytest
import torch

from mtshare_ros.errors import ConfigError
from mtshare_ros.motion.fusion import begin, fuse, FusionRules, planes_for, still_alike, WEIGHT

SIZE = (16, 24)
EVERYWHERE = torch.ones(SIZE, dtype=torch.bool)
TOWARDS = torch.tensor([0.0, 0.0, -1.0]).expand(*SIZE, 3)


def maps(depth=2.0, label=3, confidence=200, edge=20.0, normals=TOWARDS):
    return {
        'mask': torch.full(SIZE, label, dtype=torch.uint8),
        'confidence': torch.full(SIZE, confidence, dtype=torch.uint8),
        'depth': torch.full(SIZE, depth), 'normals': normals.clone(),
        'edges': torch.full(SIZE, edge),
    }


def noisy(generator):
    return {**maps(), 'depth': 2 + 0.05 * torch.randn(SIZE, generator=generator)}


def test_the_noise_of_a_view_that_stays_is_averaged_away():
    generator = torch.Generator().manual_seed(1)
    fused, changes = begin(noisy(generator)), []
    for _ in range(20):
        before, fused = fused['depth'], fuse(fused, noisy(generator), EVERYWHERE)
        changes.append((fused['depth'] - before).std())

    alone = noisy(generator)['depth'] - noisy(generator)['depth']
    assert (fused['depth'] - 2).std() < 0.5 * 0.05
    assert torch.stack(changes[10:]).mean() < 0.5 * alone.std()


def test_an_average_stands_for_no_more_frames_than_the_rules_say():
    fused = begin(maps(confidence=255))
    for _ in range(20):
        fused = fuse(fused, maps(confidence=255), EVERYWHERE, FusionRules(frames=4))

    assert fused[WEIGHT].max() <= 4


def test_what_the_image_does_not_confirm_is_taken_from_the_new_frame():
    alike = EVERYWHERE.clone()
    alike[:, :12] = False
    fused = fuse(begin(maps(label=1, depth=2.0)), maps(label=5, depth=2.1, confidence=90), alike)

    assert (fused['mask'][:, :12] == 5).all() and (fused['depth'][:, :12] == 2.1).all()
    assert (fused['mask'][:, 12:] == 1).all() and (fused['depth'][:, 12:] < 2.1).all()


def test_another_surface_is_no_part_of_the_average():
    fused = fuse(begin(maps(depth=2.0)), maps(depth=4.0), EVERYWHERE)

    torch.testing.assert_close(fused['depth'], torch.full(SIZE, 4.0), rtol=1e-3, atol=0)


def test_the_surer_label_wins_and_disagreement_makes_it_less_sure():
    sure, doubtful = maps(label=1, confidence=240), maps(label=2, confidence=60)
    for old, new in ((sure, doubtful), (doubtful, sure)):
        fused = fuse(begin(old), new, EVERYWHERE)
        assert (fused['mask'] == 1).all() and (fused['confidence'] < 240).all()


def test_a_label_that_is_seen_again_and_again_wins_in_the_end():
    fused = begin(maps(label=1, confidence=240))
    for _ in range(12):
        fused = fuse(fused, maps(label=2, confidence=180), EVERYWHERE)

    assert (fused['mask'] == 2).all()


def test_normals_stay_unit_vectors():
    slanted = torch.nn.functional.normalize(torch.tensor([0.3, 0.0, -1.0]), dim=0)
    fused = fuse(begin(maps()), maps(normals=slanted.expand(*SIZE, 3)), EVERYWHERE)

    torch.testing.assert_close(fused['normals'].norm(dim=-1), torch.ones(SIZE))
    assert (0 < fused['normals'][..., 0]).all() and (fused['normals'][..., 0] < slanted[0]).all()


def test_edges_are_averaged_between_the_two():
    fused = fuse(begin(maps(edge=10.0)), maps(edge=200.0), EVERYWHERE)

    assert (fused['edges'] > 10).all() and (fused['edges'] < 200).all()


@pytest.mark.parametrize('old, new', [(float('nan'), 2.0), (2.0, float('nan'))])
def test_what_is_not_finite_on_one_side_is_that_of_the_new_frame(old, new):
    fused = fuse(begin(maps(depth=old)), maps(depth=new), EVERYWHERE)

    torch.testing.assert_close(fused['depth'], torch.full(SIZE, new), equal_nan=True)
    assert torch.isfinite(fused[WEIGHT]).all()


def test_labels_without_a_confidence_have_a_plane_for_it():
    assert planes_for(('human_parts', 'depth')) == (WEIGHT, 'human_parts_confidence')
    assert planes_for(('mask', 'confidence')) == (WEIGHT,)

    parts = {'human_parts': torch.full(SIZE, 2, dtype=torch.uint8)}
    fused = fuse(begin(parts), parts, EVERYWHERE)
    assert (fused['human_parts'] == 2).all() and (fused['human_parts_confidence'] == 255).all()


def test_areas_that_differ_from_what_they_should_look_like_are_not_alike():
    differences = torch.ones(SIZE[0] // 4, SIZE[1] // 4)
    differences[1, 2] = 20.0
    seen = EVERYWHERE.clone()
    seen[0] = False
    alike = still_alike(differences, seen)

    expected = seen.clone()
    expected[4:8, 8:12] = False
    assert torch.equal(alike, expected)


def test_a_noisy_sensor_is_tolerated_up_to_a_largest_noise():
    noise = torch.full((SIZE[0] // 4, SIZE[1] // 4), 5.0)

    assert still_alike(noise, EVERYWHERE).all()
    assert not still_alike(4 * noise, EVERYWHERE).any()


@pytest.mark.parametrize('name, value', [('frames', 0.5), ('grey_levels', 0.0), ('turn', -1.0)])
def test_rules_that_make_no_sense_are_refused(name, value):
    with pytest.raises(ConfigError, match=name):
        FusionRules(**{name: value})
