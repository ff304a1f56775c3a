"""A wall, a floor and a board before them, seen by a pinhole camera: all maps in closed form."""

from dataclasses import dataclass

import numpy as np
import torch

from mtshare_ros.image_frame import Pinhole
from mtshare_ros.motion.rigid import RigidMotion

SIZE = (96, 128)
CAMERA = Pinhole(110.0, 112.0, 63.5, 47.5)


@dataclass(frozen=True)
class Plane:
    """Points p with ``normal @ p == offset``, of a label; ``span`` limits |x| and |y| of them."""

    normal: tuple[float, float, float]
    offset: float
    label: int
    span: tuple[float, float] = (1e3, 1e3)


WALL = Plane((0.0, 0.0, -1.0), -4.0, 1)
FLOOR = Plane((0.0, -1.0, 0.0), -1.2, 2)
BOARD = Plane((0.0, 0.0, -1.0), -2.0, 3, (0.45, 0.5))
ROOM = (WALL, FLOOR, BOARD)


def pose(turn=(0.0, 0.0, 0.0), at=(0.0, 0.0, 0.0)):
    """Return a camera's pose: a turn (3,) in radians, and its place in metres."""
    return RigidMotion.turned(np.asarray(turn), np.asarray(at))


def view(seen_from, planes=ROOM, size=SIZE, camera=CAMERA):
    """Return the maps and the image of the scene, as tensors by name."""
    rows, columns = np.indices(size)
    rays = np.stack([(columns - camera.cx) / camera.fx, (rows - camera.cy) / camera.fy,
                     np.ones(size)], axis=-1) @ seen_from.rotation.T
    depth, label, normal = np.full(size, np.inf), np.full(size, 255), np.zeros((*size, 3))
    for plane in planes:
        found = _depth_of(plane, rays, seen_from.translation)
        nearer = found < depth
        depth[nearer], label[nearer], normal[nearer] = found[nearer], plane.label, plane.normal
    points = seen_from.translation + rays * depth[..., None]
    texture = 127 + 60 * np.sin(3 * points) + 50 * np.cos(2 * points[..., [1, 2, 0]])
    return _as_maps(depth, label, normal @ seen_from.rotation, texture)


def _depth_of(plane, rays, start):
    normal = np.array(plane.normal)
    with np.errstate(divide='ignore'):
        found = (plane.offset - normal @ start) / (rays @ normal)
    points = start + rays * found[..., None]
    inside = (np.abs(points[..., :2]) < plane.span).all(axis=-1)
    return np.where((found > 0) & inside, found, np.inf)


def _as_maps(depth, label, normals, texture):
    return {
        'mask': torch.from_numpy(label.astype(np.uint8)),
        'confidence': torch.from_numpy((label * 40).astype(np.uint8)),
        'depth': torch.from_numpy(depth.astype(np.float32)),
        'disparity': torch.from_numpy((1 / depth).astype(np.float32)),
        'normals': torch.from_numpy(normals.astype(np.float32)),
        'edges': torch.from_numpy(texture[..., 0].astype(np.uint8)),
        'saliency': torch.from_numpy(texture[..., 1].astype(np.uint8)),
        'human_parts': torch.from_numpy((label + 3).astype(np.uint8)),
        'image': torch.from_numpy(texture.astype(np.float32)),
    }


def true_place(new, old, camera=CAMERA, size=SIZE):
    """Return row and column (H, W) in the old view of what the pixels of a new one show."""
    depth = view(new, camera=camera, size=size)['depth'].numpy().astype(np.float64)
    rows, columns = np.indices(size)
    points = np.stack([(columns - camera.cx) / camera.fx * depth,
                       (rows - camera.cy) / camera.fy * depth, depth], axis=-1)
    x, y, z = np.moveaxis(RigidMotion.between(new, old).moved(points), -1, 0)
    return y / z * camera.fy + camera.cy, x / z * camera.fx + camera.cx


def truly_seen(new, old):
    """Return which pixels (H, W) of a new view the old one shows, too."""
    row, column = true_place(new, old)
    i, j = np.rint(row).astype(int), np.rint(column).astype(int)
    inside = (i >= 0) & (i < SIZE[0]) & (j >= 0) & (j < SIZE[1])
    labels = view(old)['mask'].numpy()
    there = labels[i.clip(0, SIZE[0] - 1), j.clip(0, SIZE[1] - 1)]
    return inside & (there == view(new)['mask'].numpy())
