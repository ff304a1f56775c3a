"""Maps of the present view: where they are from, and that they are right."""

from board_scene import CAMERA, pose, SIZE, truly_seen, view
import pytest
import torch

from mtshare_ros.image_frame import Pinhole
from mtshare_ros.motion.composite import Composite
from mtshare_ros.motion.rigid import RigidMotion

NAMES = ('mask', 'confidence', 'depth', 'disparity', 'normals', 'edges', 'saliency',
         'human_parts')
START = pose()


def composite(**options):
    """Return the composite of the scene seen from the start."""
    made = Composite(SIZE, NAMES, **options)
    put(made, START)
    return made


def put(target, seen_from, where=None):
    """Put what the scene looks like into a composite."""
    maps = view(seen_from)
    target.put(where, maps, maps['image'])


def along(target, steps, count):
    """Move a composite by a path of poses from the start to steps (a pose each share)."""
    last = START
    for step in range(1, count + 1):
        new = steps(step / count)
        target.move(RigidMotion.between(last, new), CAMERA)
        last = new
    return last


def path(share):
    """Return a pose on the way to one that is turned and moved."""
    return pose((0.02 * share, -0.06 * share, 0.03 * share),
                (0.1 * share, 0.02 * share, 0.1 * share))


def test_nothing_is_seen_before_the_first_maps():
    made = Composite(SIZE, NAMES)
    made.move(pose(at=(0.1, 0.0, 0.0)), CAMERA)

    assert not made.seen.any()
    assert (made.maps['mask'] == 255).all()


def test_maps_are_given_out_as_they_were_put():
    made = composite()

    for name in NAMES:
        assert torch.equal(made.maps[name].float(), view(START)[name].float())
    assert torch.equal(made.image, view(START)['image'])
    assert made.seen.all() and not made.ages.any()


@pytest.mark.parametrize('count', [1, 10])
@pytest.mark.parametrize('name', ['mask', 'confidence', 'human_parts'])
def test_labels_are_those_of_the_new_view(name, count):
    made = composite()
    new = along(made, path, count)

    shown = torch.from_numpy(truly_seen(new, START)) & made.seen
    assert (made.maps[name] == view(new)[name])[shown].float().mean() > 0.985


@pytest.mark.parametrize('count', [1, 10])
def test_depth_is_that_of_the_new_view_to_one_per_cent(count):
    made = composite()
    new = along(made, path, count)

    true = view(new)['depth']
    error = ((made.maps['depth'] - true).abs() / true)[made.seen]
    assert (error < 0.01).float().mean() > 0.975
    assert error.median() < 0.001


def test_normals_turn_with_the_camera():
    made = composite()
    new = along(made, path, 3)

    normals = made.maps['normals']
    sine = torch.linalg.cross(normals, view(new)['normals']).norm(dim=-1)[made.seen]
    assert torch.allclose(normals.norm(dim=-1), torch.ones(SIZE), atol=1e-4)
    assert (sine < 0.01).float().mean() > 0.98


@pytest.mark.parametrize('name', ['edges', 'saliency'])
def test_values_between_pixels_are_those_of_the_new_view(name):
    made = composite()
    new = along(made, path, 3)

    error = (made.maps[name] - view(new)[name])[made.seen].abs()
    assert (error < 1.5).float().mean() > 0.97


@pytest.mark.parametrize('scale', [1e-7, 1.0, 1e7])
def test_disparity_of_any_scale_is_carried_along_and_does_not_change(scale):
    made = Composite(SIZE, ('disparity', 'depth'))
    maps = view(START)
    made.put(None, maps | {'disparity': maps['disparity'] * scale}, maps['image'])

    made.move(RigidMotion.turned([0.0, 0.05, 0.0]), CAMERA)

    expected = view(pose((0.0, -0.05, 0.0)))['disparity'] * scale
    error = ((made.maps['disparity'] - expected).abs() / expected)[made.seen]
    assert (error < 0.03).float().mean() > 0.97


def test_a_pixel_is_resampled_once_however_often_the_camera_moves():
    often, once = composite(), composite()
    along(often, path, 10)
    along(once, path, 1)

    same = often.seen & once.seen & (often.maps['mask'] == once.maps['mask'])
    error = torch.hypot(*(a - b for a, b in zip(often.origin, once.origin)))[same]
    assert (error < 0.1).float().mean() > 0.97
    assert (often.image - once.image)[same].abs().median() < 0.1


def test_a_resting_camera_leaves_every_map_as_it_is():
    made = composite()
    before = made.maps

    made.move(RigidMotion.turned([1e-7, 0.0, 0.0]), CAMERA)

    assert all(made.maps[name] is before[name] or torch.equal(made.maps[name], before[name])
               for name in NAMES)
    assert (made.ages == 1).all()


def test_motions_too_small_to_follow_add_up():
    made, whole = composite(), composite()
    for _ in range(1000):
        made.move(RigidMotion.turned([0.0, 5e-5, 0.0]), CAMERA)
    whole.move(RigidMotion.turned([0.0, 0.05, 0.0]), CAMERA)

    errors = [(a - b)[made.seen & whole.seen].abs().max()
              for a, b in zip(made.origin, whole.origin)]
    assert max(errors) < 0.3


def test_only_what_is_put_is_replaced():
    made = composite()
    new = along(made, path, 1)
    before, where = made.maps, torch.zeros(SIZE, dtype=torch.bool)
    where[20:50, 30:70] = True

    put(made, new, where)

    assert torch.equal(made.maps['depth'][where], view(new)['depth'][where])
    assert torch.equal(made.maps['depth'][~where], before['depth'][~where])
    assert not made.ages[where].any() and (made.ages[~where] == 1).all()
    assert made.seen[where].all()


def test_maps_of_no_pixel_change_nothing():
    made = composite()
    new = along(made, path, 1)
    before = made.maps

    put(made, new, torch.zeros(SIZE, dtype=torch.bool))

    assert all(torch.equal(made.maps[name], before[name]) for name in before)
    assert (made.ages[made.seen] == 1).all()


def test_the_place_of_each_pixel_when_it_was_computed_is_kept():
    made = composite()
    made.move(RigidMotion.turned([0.0, 0.0, 0.0], [0.2, 0.0, 0.0]), CAMERA)

    row, column = made.origin
    wall = (made.maps['mask'] == 1) & made.seen
    right = torch.arange(SIZE[1])[None] - column
    assert torch.allclose(right[wall], torch.tensor(0.2 / 4 * CAMERA.fx), atol=0.05)
    assert torch.allclose((torch.arange(SIZE[0])[:, None] - row)[wall], torch.tensor(0.0),
                          atol=0.05)


def test_pixels_of_frames_that_are_kept_no_longer_stay_right():
    made = composite(kept_frames=3)
    last = START
    for step in range(1, 9):
        new = path(step / 8)
        made.move(RigidMotion.between(last, new), CAMERA)
        where = torch.zeros(SIZE, dtype=torch.bool)
        where[:, 8 * step:8 * step + 8] = True
        put(made, new, where)
        last = new

    true = view(last)
    assert (made.maps['mask'] == true['mask'])[made.seen].float().mean() > 0.975
    error = ((made.maps['depth'] - true['depth']).abs() / true['depth'])[made.seen]
    assert (error < 0.01).float().mean() > 0.96
    assert made.ages.max() == 8


def test_another_camera_starts_anew():
    made = composite()
    made.move(RigidMotion.none(), CAMERA)

    made.move(RigidMotion.none(), Pinhole(90.0, 90.0, 63.5, 47.5))

    assert not made.seen.any()


def test_without_depth_the_view_turns():
    made = Composite(SIZE, ('mask',))
    maps = view(START)
    made.put(None, maps, maps['image'])

    made.move(RigidMotion.turned([0.0, 0.1, 0.0]), CAMERA)

    new = pose((0.0, -0.1, 0.0))
    assert (made.maps['mask'] == view(new)['mask'])[made.seen].float().mean() > 0.98
    assert 0.8 < made.seen.float().mean() < 0.95


def test_a_value_of_any_name_is_carried_along():
    made = Composite(SIZE, ('depth', 'sureness'))
    maps = view(START) | {'sureness': torch.arange(128.0).expand(SIZE)}
    made.put(None, maps, maps['image'])

    made.move(RigidMotion.turned([0.0, 0.05, 0.0]), CAMERA)

    expected = made.origin[1]
    assert torch.allclose(made.maps['sureness'][made.seen], expected[made.seen], atol=0.6)


def test_what_is_kept_takes_the_memory_that_is_said():
    made = Composite(SIZE, ('mask', 'confidence', 'depth', 'normals', 'edges'), kept_frames=5)

    assert made.nbytes == 22 * 5 * SIZE[0] * SIZE[1]


def test_without_a_scale_the_view_grows_as_a_plane_does_whatever_the_depth():
    made = composite()

    made.move(RigidMotion.turned([0.0, 0.0, 0.0], [0.0, 0.0, -0.2]), CAMERA, scaled=False)

    row, column = made.origin
    rows, columns = torch.arange(SIZE[0])[:, None], torch.arange(SIZE[1])[None]
    assert torch.allclose(column - CAMERA.cx, 0.8 * (columns - CAMERA.cx), atol=0.05)
    assert torch.allclose(row - CAMERA.cy, 0.8 * (rows - CAMERA.cy), atol=0.05)
    wall = made.maps['mask'] == 1
    assert ((made.maps['depth'] - 3.2).abs() < 0.01)[wall].float().mean() > 0.99


def test_slow_motions_carry_a_near_thing_past_what_lies_behind():
    made, last = composite(), START
    for step in range(1, 21):
        new = pose(at=(0.015 * step, 0.0, 0.0))
        made.move(RigidMotion.between(last, new), CAMERA)
        where = torch.zeros(SIZE, dtype=torch.bool)
        where[80:, :8] = True
        put(made, new, where)
        last = new

    true = view(last)
    assert (made.maps['mask'] == true['mask'])[made.seen].float().mean() > 0.98
    uncovered = torch.from_numpy(~truly_seen(last, START))[10:70, 20:110]
    assert (~made.seen[10:70, 20:110] == uncovered).float().mean() > 0.98


def test_maps_of_a_part_are_all_that_is_seen():
    made = Composite(SIZE, NAMES)
    made.move(RigidMotion.none(), CAMERA)
    where = torch.zeros(SIZE, dtype=torch.bool)
    where[:, :60] = True
    put(made, START, where)

    made.move(RigidMotion.turned([0.0, 0.02, 0.0], [0.1, 0.0, 0.0]), CAMERA)

    assert made.seen[20:70, 12:36].all() and not made.seen[:, 75:].any()


def test_depth_that_is_not_known_stays_unknown_and_spoils_none_beside_it():
    made, maps = Composite(SIZE, ('mask', 'depth')), view(START)
    maps['depth'][:, 60:64] = torch.nan
    made.put(None, maps, maps['image'])

    made.move(RigidMotion.turned([0.0, 0.003, 0.0], [0.01, 0.0, 0.0]), CAMERA)

    unknown = made.maps['depth'].isnan().sum(dim=1)
    assert 2 <= unknown.min() and unknown.max() <= 6
    assert made.seen[:, 2:].float().mean() > 0.97
