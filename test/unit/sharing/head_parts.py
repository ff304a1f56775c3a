"""Decode heads of every kind beside their runners, fed with the same rows."""

from dataclasses import replace

import torch
from torch import nn

from mtshare_ros.model.architecture import ArchitectureConfig, HeadConfig
from mtshare_ros.model.backbone import StemFeatures
from mtshare_ros.model.heads import HeadInput
from mtshare_ros.model.network import build_model
from mtshare_ros.sharing.head import ChangedPatches, make_head
from mtshare_ros.sharing.stem import StemRunner
from mtshare_ros.sharing.taps import HeadInputs

GRID = (5, 7)
COUNT = GRID[0] * GRID[1]
CPU = torch.device('cpu')
WIDTH = 24

HEADS = {
    'local': HeadConfig(channels=6, depth=2),
    'local of four taps': HeadConfig(taps=(1, 2, 3, 4), channels=6, depth=1, hidden=10),
    'linear': HeadConfig(kind='linear'),
    'linear with class tokens': HeadConfig(kind='linear', taps=(2, 4), class_token=True),
    'linear, enlarged': HeadConfig(
        kind='linear', side=4, class_token=True, encoding='metres', bins=9, depth_range=(0.1, 8)),
    'dpt': HeadConfig(kind='dpt', taps=(1, 2, 3, 4), channels=8, pyramid=(4, 6, 8, 10), hidden=5,
                      encoding='disparity'),
    'dpt with class tokens': HeadConfig(
        kind='dpt', taps=(1, 2, 3, 4), class_token=True, side=8, channels=6,
        pyramid=(4, 6, 8, 10), encoding='metres', bins=7, depth_range=(0.1, 10)),
}
CASES = [(name, patch_size) for name in HEADS for patch_size in (14, 16)]


def shape(**changes):
    """Return a network of four blocks, with a class token and two registers."""
    config = ArchitectureConfig(
        embed_dim=WIDTH, depth=4, num_heads=2, stem='patch', position='absolute', class_token=True,
        register_tokens=2, patch_size=14, input_size=(70, 98))
    return replace(config, **changes)


def make_network(head, patch_size, task='depth'):
    """Return a network whose task has a head, its weights such that everything matters."""
    torch.manual_seed(0)
    size = (GRID[0] * patch_size, GRID[1] * patch_size)
    config = shape(patch_size=patch_size, input_size=size, heads={task: head})
    network = build_model(config, [task], label_count=5).eval().requires_grad_(False)
    for name, value in network.heads.named_parameters():
        if value.ndim > 1:
            nn.init.normal_(value, 0, (1.5 / value[0].numel()) ** 0.5)
        else:
            nn.init.normal_(value, 1.0 if 'norm.weight' in name else 0.0, 0.3)
    return network


class HeadCase:
    """A head of a network beside its runner; ``tokens`` (taps, N, D), ``prefix`` (taps, P, D)."""

    def __init__(self, name, patch_size, task='depth', dtype=torch.float32):
        head = HEADS[name]
        self.task, self.network = task, make_network(head, patch_size, task)
        self.runner = make_head(self.network, task, dtype)
        self.state = self.runner.allocate(GRID, CPU)
        self.stem = StemRunner(self.network).allocate(GRID, CPU)
        self.random = torch.Generator().manual_seed(1)
        taps = len(self.network.config.taps_of(head))
        self.tokens = self.draw(taps, COUNT, WIDTH)
        self.prefix = self.draw(taps, 3, WIDTH)
        self.update(None)

    def draw(self, *size):
        """Return random rows."""
        return torch.randn(size, generator=self.random)

    def renew(self, mask):
        """Draw other rows for the patches of a mask (rows, columns)."""
        patches = mask.flatten().nonzero()[:, 0]
        self.tokens[:, patches] = self.draw(len(self.tokens), len(patches), WIDTH)

    def update(self, mask, thresholds=(0.0,) * 4):
        """Let the runner take in the patches of a mask (rows, columns), None for all."""
        inputs = HeadInputs(tuple(self.tokens), tuple(self.prefix), self.stem)
        patches = ChangedPatches(self.stem, None if mask is None else mask.flatten())
        return self.runner.update(self.state, inputs, patches, thresholds)

    def expected(self):
        """Return the raw output of the network's own head."""
        taps = tuple(rows.T.reshape(1, -1, *GRID) for rows in self.tokens)
        stem = StemFeatures(taps[0])
        return self.network.heads[self.task](HeadInput(taps, tuple(self.prefix[:, None]), stem))

    def raw(self):
        """Return the runner's raw output."""
        return self.state.raw.clone()
