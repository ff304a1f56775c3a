"""Decode heads on lists of fixed lengths beside those of the network, fed with the same rows."""

import copy

from padded import padded
import torch

from mtshare_ros.model.backbone import StemFeatures
from mtshare_ros.model.heads import HeadInput
from mtshare_ros.sharing.head import around
from mtshare_ros.sharing.pixel_maps import Level
from mtshare_ros.sharing.static.fixed_lists import FrameLists, HeadLists
from mtshare_ros.sharing.static.operators import PLAIN
from mtshare_ros.sharing.static.static_encoder import encoders_of
from mtshare_ros.sharing.static.static_heads import StaticHeads
from mtshare_ros.sharing.static.static_stem import StaticStem
from mtshare_ros.sharing.taps import taps_of

CPU = torch.device('cpu')


def lists_of(grid, geometries, patches, more=0):
    """Return the lists of a frame for patches (n,), each ``more`` entries longer than need be."""
    heads = {}
    for geometry in geometries:
        level, whole = Level(grid, geometry.side), Level(grid, 1)
        heads[geometry] = HeadLists(
            tuple(padded(around(level, patches, border), more) for border in geometry.borders),
            padded(around(whole, patches, geometry.patch_border), more))
    patches = padded(patches, more)
    return FrameLists(patches, patches, torch.zeros_like(patches, dtype=torch.bool), heads)


class HeadsCase:
    """
    The heads of a network, fed with random rows and features; the first frame is computed whole.

    ``rows`` (M, T, D) are the outputs of all blocks, by number.
    """

    def __init__(self, network, tasks=None, *, dtype=torch.float32, device=CPU, operators=PLAIN):
        self.network = network = copy.deepcopy(network).to(device)
        self.tasks, config = tasks or network.tasks, network.config
        self.device = device
        self.grid = config.grid_of(config.input_size)
        self.count = self.grid[0] * self.grid[1]
        self.heads = StaticHeads(network, self.tasks, dtype, operators)
        self.state = self.heads.allocate(self.grid)
        self.stem = StaticStem(network, dtype).allocate(self.grid, device)
        self.encoders = encoders_of(network, self.tasks)
        self.random = torch.Generator().manual_seed(1)
        tokens = self.count + config.prefix_tokens
        self.rows = {tap: self.draw(len(self.encoders), tokens, config.embed_dim)
                     for task in self.tasks for tap in taps_of(config, task)}
        self.dtype = dtype
        self.taps = {taps: self.joined(taps) for taps in self.of_tasks()}
        for features in self.features():
            features[:-1] = self.draw(*features[:-1].shape)
        self.heads.dense(self.state, self.taps, self.stem)

    def draw(self, *size):
        """Return random rows."""
        return torch.randn(size, generator=self.random).to(self.device)

    def of_tasks(self):
        """Return the taps that any head reads."""
        return {taps_of(self.network.config, task) for task in self.tasks}

    def joined(self, taps):
        """Return what heads of some taps read, in the format that the transformer keeps it in."""
        rows = torch.cat([self.rows[tap] for tap in taps], dim=2)
        return rows.to(self.dtype if taps[0].normed else torch.float32)

    def features(self):
        """Return the maps of the stem that heads read."""
        return [] if self.stem.quarter is None else [self.stem.eighth, self.stem.quarter]

    def change(self, patches, more=0):
        """Change patches (n,), their pixels and the prefix tokens; compute what they affect."""
        self.renew(patches)
        self.update(patches, more)

    def renew(self, patches):
        """Draw other rows and features for patches (n,), and other prefix rows."""
        for rows in self.rows.values():
            rows[:, patches] = self.draw(len(rows), len(patches), rows.shape[2])
            rows[:, self.count:] = self.draw(*rows[:, self.count:].shape)
        for taps, rows in self.taps.items():
            rows.copy_(self.joined(taps))
        for side, features in zip((2, 4), self.features()):
            level = Level(self.grid, side)
            values = self.draw(len(patches) * side ** 2, features.shape[1])
            level.write(features, patches, values.to(features.dtype))

    def update(self, patches, more=0):
        """Compute what patches (n,) reach, in lists that are too long."""
        self.heads.update(self.state, self.taps, self.stem, self.lists(patches, more))

    def lists(self, patches, more=0):
        """Return the lists of patches (n,), each with ``more`` entries than need be."""
        geometries = {item for item in self.heads.geometries.values() if item is not None}
        return lists_of(self.grid, geometries, patches, more)

    def raw(self, task):
        """Return a task's raw output."""
        return self.heads.raw(self.state, task)

    def expected(self, task):
        """Return the raw output of the network's own head."""
        encoder = self.encoders.index(self.network.encoder_of(task))
        rows = [self.rows[tap][encoder] for tap in taps_of(self.network.config, task)]
        taps = tuple(some[:self.count].T.reshape(1, -1, *self.grid) for some in rows)
        images = [Level(self.grid, side).image(features).float()
                  for side, features in zip((2, 4), self.features())]
        eighth, quarter = images or (None, None)
        return self.network.heads[task](HeadInput(
            taps, tuple(some[None, self.count:] for some in rows),
            StemFeatures(taps[0], eighth=eighth, quarter=quarter)))

    def check(self, tolerance=1e-5):
        """Compare all raw outputs with those of the network."""
        for task in self.tasks:
            expected = self.expected(task)
            assert self.raw(task).shape == expected.shape
            error = (self.raw(task) - expected).norm() / expected.norm()
            assert error < tolerance, (task, error)
