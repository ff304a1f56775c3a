"""Images from which no motion can be told are said to be no evidence."""

import numpy as np
import pytest
from rendered import CALM, estimated, PLAIN_ROOM, Room, SIZE
import torch

from mtshare_ros.data.rooms.views import look
from mtshare_ros.motion.alignment import Aligner, TRUSTED_CONFIDENCE
from mtshare_ros.motion.rigid import RigidMotion


def with_noise(values, seed=0):
    """Return a camera's image (H, W, 3) of some gray levels."""
    noise = torch.randn(values.shape, generator=torch.Generator().manual_seed(seed))
    return (values + 2 * noise).clamp(0, 255).byte()


@pytest.mark.parametrize('side', [8, 24])
def test_a_tiny_view_is_not_enough(side):
    room = Room(CALM, 'handheld-4', (side, side))
    view, later = room.on_path(0), room.on_path(2)

    found = Aligner((side, side)).estimate(view.image, view.depth, later.image, room.camera)

    assert found.confidence < TRUSTED_CONFIDENCE


def test_a_black_image_is_no_evidence(room, view):
    image = with_noise(torch.zeros(*SIZE, 3))

    assert estimated(view, image, room.camera).confidence < 0.1


def test_an_image_without_any_contrast_is_no_evidence(room, view):
    assert estimated(view, torch.zeros_like(view.image), room.camera).confidence < 0.1


def test_another_scene_is_no_evidence(room, view, elsewhere):
    assert estimated(view, elsewhere.image, room.camera).confidence < 0.1


@pytest.mark.filterwarnings('error')
def test_a_black_reference_is_no_evidence(room, view, later):
    found = Aligner(SIZE).estimate(
        torch.zeros_like(view.image), view.depth, later.image, room.camera)

    assert found.confidence == 0 and found.motion.angle == 0


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize('depth, trusted', [(float('nan'), True), (2.0, False)])
def test_where_nothing_of_the_reference_may_be_used_the_start_stands(
        room, view, later, depth, trusted):
    start = RigidMotion.turned(np.array([0.0, 0.1, 0.0]))

    found = Aligner(SIZE).estimate(
        view.image, torch.full(SIZE, depth), later.image, room.camera,
        start=start, trusted=torch.full(SIZE, trusted))

    assert found.confidence == 0 and found.motion is start


def test_a_blank_wall_is_no_evidence():
    room = Room(PLAIN_ROOM, 'handheld')
    wall = np.array([room.size[0] / 2, room.size[1] - 0.25, room.size[2] - 0.4])
    views = [room.at(look(wall + [shift, 0, 0], np.pi / 2, 0.0), index)
             for index, shift in enumerate((0.0, 0.02))]
    assert views[0].depth.max() < 0.6

    assert estimated(views[0], views[1].image, room.camera).confidence < TRUSTED_CONFIDENCE


def test_one_lone_edge_does_not_fix_a_motion(room):
    gray = torch.full((*SIZE, 3), 100.0)
    gray[:, 160:] = 180
    wall = torch.full(SIZE, 2.0)

    found = Aligner(SIZE).estimate(
        with_noise(gray), wall, with_noise(gray.roll(2, 1), seed=1), room.camera)

    assert found.confidence < TRUSTED_CONFIDENCE


def test_strong_motion_blur_is_no_evidence(room, view):
    path = [room.moved(0, RigidMotion.turned(np.array([0.02, 0.012, 0.004]) * step))
            for step in range(-6, 7)]
    blurred = torch.stack([step.image for step in path]).float().mean(0).byte()

    assert estimated(view, blurred, room.camera).confidence < TRUSTED_CONFIDENCE


def test_what_fills_half_the_view_and_moves_by_itself_is_said(room, view, later, elsewhere):
    passing = elsewhere.image
    reference, image = view.image.clone(), later.image.clone()
    reference[:, :180], image[:, :180] = passing[:, 20:200], passing[:, 8:188]

    found = Aligner(SIZE).estimate(reference, view.depth, image, room.camera)

    assert found.confidence < TRUSTED_CONFIDENCE
