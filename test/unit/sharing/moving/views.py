"""A view that moves over a wide picture, and networks that follow it."""

from functools import lru_cache

from branched import branched_network, GRID
from clips import uniform_thresholds
import torch
from torch.nn import functional

from mtshare_ros.model.architecture import HeadConfig
from mtshare_ros.sharing.camera_cache import ActivationCache
from mtshare_ros.sharing.moving.moving_network import MovingNetwork
from mtshare_ros.sharing.plan import PlanBounds
from mtshare_ros.sharing.sharing_network import SharingNetwork
from mtshare_ros.sharing.sharing_settings import SharingSettings
from mtshare_ros.tasks import DEFAULT_TASKS

SHAPES = {
    'encoders': {},
    'shared': {'prefix': 4},
    'registers': {'class_token': True, 'register_tokens': 4, 'position': 'rope_centred'},
    'patches': {'class_token': True, 'stem': 'patch', 'prefix': 4},
    'other heads': {'class_token': True, 'prefix': 4, 'heads': {
        'semseg': HeadConfig(kind='linear', class_token=True), 'depth': HeadConfig(
            kind='dpt', taps=(1, 2, 3, 4), channels=8, pyramid=(4, 6, 8, 10), hidden=5)}},
}
"""Networks whose positions are relative, by what they have."""

PATCHES = GRID[0] * GRID[1]
SIDE = 16
FULL = SharingSettings(temporal=False, task=False)
"""Everything that is listed is computed in full."""


@lru_cache(maxsize=None)
def network_of(shape):
    return branched_network(**SHAPES[shape])


@lru_cache(maxsize=None)
def sharing_of(shape):
    return SharingNetwork(
        network_of(shape), uniform_thresholds(4, temporal=0.1, task=0.1), torch.float32)


@lru_cache(maxsize=None)
def picture():
    """Return a picture (1, 3, H, W) uint8 much larger than a view, with something everywhere."""
    noise = torch.rand(1, 3, 40, 50, generator=torch.Generator().manual_seed(5))
    size = [3 * SIDE * side for side in GRID]
    return (255 * functional.interpolate(noise, size, mode='bicubic').clamp(0, 1)).byte()


def view(row, column):
    """Return what a camera sees whose view begins at a patch of the picture."""
    height, width = (SIDE * side for side in GRID)
    top, left = SIDE * row, SIDE * column
    return picture()[:, :, top:top + height, left:left + width]


class Follower:
    """A camera whose first view, at (4, 4), was computed whole by the network at rest."""

    def __init__(self, shape, tasks=DEFAULT_TASKS):
        self.network, self.tasks = network_of(shape), tasks
        self.sharing, self.cache, self.at = sharing_of(shape), ActivationCache(), (4, 4)
        self.moving = MovingNetwork(self.sharing)
        self.first = self.rest()
        self.state = self.moving.take(self.cache)

    def rest(self):
        """Compute what the network at rest does."""
        return self.sharing.run(
            self.cache, view(*self.at), self.tasks, SharingSettings(), PlanBounds())

    def look(self, row, column):
        """Turn to where the view begins at another patch of the picture."""
        self.state.ring = self.state.ring.scrolled(self.at[0] - row, self.at[1] - column)
        self.at = (row, column)

    def run(self, patches=None, settings=FULL, **options):
        """Compute patches and those that are new."""
        listed = self.state.ring.new if patches is None else (
            self.state.ring.new.index_fill(0, torch.tensor(patches, dtype=torch.long), True))
        return self.moving.run(self.state, view(*self.at), self.tasks, settings,
                               listed.nonzero()[:, 0], **options)

    def run_all(self, **options):
        return self.run(range(PATCHES), **options)

    def error(self):
        """Return the largest relative distance of a raw output from that of the network."""
        dense = self.network(view(*self.at), self.tasks)
        return max(((self.cache.camera.heads[task].raw - raw).norm() / raw.norm()).item()
                   for task, raw in dense.items())

    def rows(self, task='depth'):
        """Return the last rows (N, D) of a task's encoder, as the view shows them."""
        inputs = runner_of(self).head_inputs(self.state.transformer, task, self.state.camera.stem)
        return inputs.taps[-1].index_select(0, self.state.ring.rows)


def runner_of(follower):
    return follower.sharing.runners('fast').transformer


def buffers_of(transformer):
    """Return every buffer of an encoder's state in which rows lie, (M x T, ...) each."""
    found = [transformer.trunk, *transformer.taps.buffers.values()]
    for block in (*transformer.shared, *transformer.own):
        found += [block.cache.pairs, block.reference]
        base = getattr(block, 'base', None)
        if base is not None:
            found += [base.base_update, base.difference, base.cached_difference, base.kept]
    return [buffer for buffer in found if buffer.shape[0]]
