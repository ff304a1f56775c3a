"""Views of a rendered room from anywhere, and what is known of them exactly."""

from dataclasses import dataclass

import numpy as np
import torch

from mtshare_ros.data.rooms.room_frame import Pose
from mtshare_ros.data.rooms.video import RoomVideo
from mtshare_ros.image_frame import Pinhole
from mtshare_ros.motion.alignment import Aligner
from mtshare_ros.motion.rigid import RigidMotion

SIZE = (240, 320)
CALM, PLAIN_ROOM = 1_101_003, 1_101_028


@dataclass(frozen=True)
class View:
    """
    What a camera sees: image (H, W, 3) bytes and depth (H, W), and its pose in the room.

    ``maps`` are depth, mask (H, W) and normals (H, W, 3) by their names in ``Prediction``.
    """

    image: torch.Tensor
    depth: torch.Tensor
    pose: RigidMotion
    maps: dict[str, torch.Tensor]


class Room:
    """A room whose camera is put anywhere; time stands still unless it is asked to go on."""

    def __init__(self, seed, motion, size=SIZE):
        self._video = RoomVideo(seed=seed, motion=motion, height=size[0], width=size[1])
        self._path = self._video.path
        k = self._video.intrinsics
        self.camera = Pinhole(k[0, 0], k[1, 1], k[0, 2], k[1, 2])

    def on_path(self, index):
        """Return the view of a frame of the stream."""
        self._video.path = self._path
        return self._view(index)

    def moved(self, index, motion):
        """Return the view at the time of a frame, from where a motion takes its points."""
        start = self._path(index / 30)
        pose = RigidMotion(start.rotation, start.position).after(motion.inverse())
        return self.at(Pose(pose.translation, pose.rotation), index)

    def at(self, pose, index):
        """Return the view from a pose at the time of a frame."""
        self._video.path = lambda time_s: pose
        return self._view(index)

    @property
    def size(self):
        """Length, width and height (3,) in metres."""
        return self._video.room.size

    def _view(self, index):
        frame = self._video.frame(index)
        maps = {name: torch.from_numpy(values) for name, values in (
            ('depth', frame.depth), ('mask', frame.labels), ('normals', frame.normals))}
        return View(torch.from_numpy(frame.image), maps['depth'],
                    RigidMotion(frame.pose.rotation, frame.pose.position), maps)


def motion_between(earlier, later):
    """Return the true motion of points from one view to another."""
    return RigidMotion.between(earlier.pose, later.pose)


def flow_error(found, true, depth, camera):
    """Return by how many pixels points of a depth map (H, W) land elsewhere, in the median."""
    rows, columns = np.mgrid[4:depth.shape[0]:8, 4:depth.shape[1]:8]
    far = depth.numpy()[rows, columns]
    points = np.stack([(columns - camera.cx) / camera.fx * far,
                       (rows - camera.cy) / camera.fy * far, far], axis=-1)
    places = [motion.moved(points) for motion in (found, true)]
    pixels = [place[..., :2] / place[..., 2:] * camera.fx for place in places]
    return float(np.median(np.linalg.norm(pixels[0] - pixels[1], axis=-1)))


def estimated(view, image, camera, **options):
    """Return the estimate of a fresh aligner."""
    return Aligner(SIZE).estimate(view.image, view.depth, image, camera, **options)
