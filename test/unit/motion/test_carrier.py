"""Maps of one frame as later views see them."""

from board_scene import CAMERA, pose, SIZE, truly_seen, view
import torch

from mtshare_ros.motion.carrier import MapCarrier
from mtshare_ros.motion.rigid import RigidMotion

NAMES = ('mask', 'confidence', 'depth', 'normals', 'edges')
START = pose()
LATER = pose((0.02, -0.06, 0.03), (0.1, 0.02, 0.1))


def carrier():
    """Return a carrier of what the scene shows from the start."""
    made = MapCarrier(SIZE, NAMES)
    maps = view(START)
    made.keep(maps, maps['image'], CAMERA)
    return made


def test_maps_are_moved_to_a_later_view():
    carried = carrier().carry(RigidMotion.between(START, LATER))

    true, seen = view(LATER), carried.seen
    error = ((carried.maps['depth'] - true['depth']).abs() / true['depth'])[seen]
    sine = torch.linalg.cross(carried.maps['normals'], true['normals']).norm(dim=-1)[seen]
    assert (carried.maps['mask'] == true['mask'])[seen].float().mean() > 0.985
    assert (error < 0.01).float().mean() > 0.975
    assert (sine < 0.01).float().mean() > 0.98
    assert (seen.numpy() == truly_seen(LATER, START)).mean() > 0.97


def test_each_view_is_seen_from_the_frame_itself():
    made = carrier()
    made.carry(RigidMotion.between(START, pose(at=(2.0, 0.0, 0.0))))

    back = made.carry(RigidMotion.none())

    assert torch.equal(back.maps['mask'], view(START)['mask'])
    assert torch.equal(back.maps['depth'], view(START)['depth'])
    assert back.seen.all()


def test_the_maps_of_a_new_frame_take_the_place_of_those_before():
    made = carrier()
    maps = view(LATER)
    made.keep(maps, maps['image'], CAMERA)

    carried = made.carry(RigidMotion.none())

    assert torch.equal(carried.maps['mask'], maps['mask'])


def test_without_a_frame_nothing_is_carried():
    assert MapCarrier(SIZE, NAMES).carry(RigidMotion.none()) is None
