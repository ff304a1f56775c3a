"""Tiny networks of the shapes of public backbones, with heads of every kind on them."""

from functools import lru_cache

from clips import Camera, engine_of, room_clip, uniform_thresholds
import numpy as np
import torch
from torch import nn

from mtshare_ros.model.architecture import ArchitectureConfig, HeadConfig
from mtshare_ros.model.network import build_model
from mtshare_ros.tasks import DEFAULT_TASKS

TAPS = (1, 2, 3, 4)
HEADS = {
    'semseg': HeadConfig(kind='linear', taps=(2, 4), class_token=True),
    'depth': HeadConfig(kind='dpt', taps=TAPS, channels=8, pyramid=(4, 6, 8, 10), hidden=5),
    'normals': HeadConfig(taps=TAPS, channels=6, hidden=10),
    'edge': HeadConfig(kind='dpt', taps=TAPS, normed=False, class_token=True, channels=6,
                       pyramid=(4, 6, 8, 10), side=8),
}
SIZES = {14: (84, 112), 16: (96, 128)}


@lru_cache(maxsize=None)
def network_of(patch_size):
    """Return a network of four tasks, each with a head of another kind."""
    torch.manual_seed(0)
    config = ArchitectureConfig(
        embed_dim=24, depth=4, num_heads=2, stem='patch', position='absolute', class_token=True,
        register_tokens=2, patch_size=patch_size, input_size=SIZES[patch_size], heads=HEADS)
    network = build_model(config, DEFAULT_TASKS, 40).eval().requires_grad_(False)
    for name, value in network.named_parameters():
        if value.ndim > 1 and 'stem' not in name:
            nn.init.normal_(value, 0, (1.5 / value[0].numel()) ** 0.5)
    return network


@lru_cache(maxsize=None)
def engine(patch_size, temporal=0.1):
    """Return its engine, gated over time."""
    return engine_of(network_of(patch_size)).with_thresholds(
        uniform_thresholds(4, temporal=temporal, task=0.0))


def camera(patch_size, **sharing):
    """Return a camera on it."""
    return Camera(network_of(patch_size), engine=engine(patch_size), **sharing)


def film(patch_size, frames=6):
    """Return frames (frames, height, width, 3) of a room, of the network's size."""
    height, width = SIZES[patch_size]
    clip = room_clip('static', noise=1.0)[:frames, :height, :width]
    return np.ascontiguousarray(clip)
