"""Things that move by themselves are found by what the image shows."""

from board_scene import CAMERA
import pytest
import torch
import torch.nn.functional as F

from mtshare_ros.motion.map_follower import MapCarrier
from mtshare_ros.motion.moving_objects import find_shifts
from mtshare_ros.motion.rigid import RigidMotion

SIZE = (120, 160)
LENGTH = 40


def texture(size, seed):
    """Return a random picture (H, W, 3) whose spots are some pixels wide."""
    generator = torch.Generator().manual_seed(seed)
    spots = torch.rand(1, 3, size[0] // 4, size[1] // 4, generator=generator) * 255
    return F.interpolate(spots, size, mode='bilinear')[0].permute(1, 2, 0)


def scene(row, column, size=SIZE, length=LENGTH):
    """Return image and mask of a square thing at a place before a wall."""
    image, mask = texture(size, 0).clone(), torch.zeros(size, dtype=torch.uint8)
    square = slice(row, row + length), slice(column, column + length)
    image[square], mask[square] = texture((length, length), 1), 1
    return image, mask


@pytest.mark.parametrize('down, right', [(0, 6), (-5, 3), (9, -11)])
def test_a_thing_is_found_where_it_went(down, right):
    before, _ = scene(40, 60)
    after, mask = scene(40 + down, 60 + right)

    shifts = find_shifts(before, after)

    moved = shifts.source - shifts.pixels == -down * SIZE[1] - right
    found = torch.zeros(SIZE, dtype=torch.bool).view(-1)
    found[shifts.pixels[moved]] = True
    assert found.view(SIZE)[mask > 0].float().mean() > 0.9
    assert found.view(SIZE)[mask == 0].float().mean() < 0.02


def test_nothing_moves_in_an_image_that_is_as_expected():
    image, _ = scene(40, 60)
    noise = 4 * torch.randn(image.shape, generator=torch.Generator().manual_seed(2))

    assert find_shifts(image, image + noise) is None


def test_in_larger_images_things_are_found_that_move_farther():
    size = (480, 640)
    before, _ = scene(160, 240, size, 160)
    after, mask = scene(160 + 24, 240 - 28, size, 160)

    shifts = find_shifts(before, after)

    moved = shifts.source - shifts.pixels == -24 * 640 + 28
    assert moved.sum() > 0.7 * mask.sum()


def test_maps_go_along_with_things_that_the_image_shows_elsewhere():
    before, mask = scene(40, 60)
    after, expected = scene(45, 52)
    carrier = MapCarrier(SIZE, ('mask',))
    carrier.keep({'mask': mask}, before, CAMERA)

    carried = carrier.carry(RigidMotion.none(), after.byte())

    assert torch.equal(carrier.carry(RigidMotion.none()).maps['mask'], mask)
    moved = carried.maps['mask']
    assert (moved == expected)[expected > 0].float().mean() > 0.95
    assert (moved != expected).sum() < 0.5 * (mask != expected).sum()
