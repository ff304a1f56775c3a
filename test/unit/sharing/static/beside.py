"""Stem and encoder on lists of fixed lengths, and beside them the engine on the same rows."""

from functools import lru_cache

from branched import branched_network
from clips import room_clip, uniform_thresholds
import torch

from mtshare_ros.model.architecture import HeadConfig
from mtshare_ros.sharing.camera_cache import ActivationCache
from mtshare_ros.sharing.plan import PlanBounds
from mtshare_ros.sharing.sharing_network import SharingNetwork
from mtshare_ros.sharing.sharing_settings import SharingSettings
from mtshare_ros.sharing.static.static_encoder import StaticTransformer
from mtshare_ros.sharing.static.static_stem import StaticStem
from mtshare_ros.tasks import DEFAULT_TASKS

CPU = torch.device('cpu')
ROWS = torch.tensor([3, 4, 11, 12, 13, 20, 38, 47])
TAPS = {
    'semseg': HeadConfig(taps=(1, 3, 4), channels=8, depth=1),
    'depth': HeadConfig(taps=(2, 4), normed=False, channels=8, depth=1),
    'normals': HeadConfig(taps=(1, 2), channels=8, depth=1),
}
SHAPES = {
    'convolutions': {},
    'patches': {'stem': 'patch'},
    'absolute': {'class_token': True, 'stem': 'patch', 'position': 'absolute',
                 'position_grid': (5, 7)},
    'registers': {'class_token': True, 'register_tokens': 4, 'position': 'rope_centred'},
    'taps': {'class_token': True, 'heads': TAPS},
}

@lru_cache(maxsize=None)
def network_of(shape, prefix):
    network = branched_network(prefix=prefix, **SHAPES[shape]).requires_grad_(False)
    for branch in network.branches.values():
        # trained branches have norms of their own, too
        for value in (branch.norm.weight, branch.blocks[0].norm1.bias):
            value.add_(0.2 * torch.randn(value.shape, generator=torch.Generator().manual_seed(2)))
    return network


def image_of(number):
    return torch.from_numpy(room_clip('drive', noise=1.0)[number]).permute(2, 0, 1)[None]


class Static:
    """Stem and encoder of some tasks on a camera; the first frame is computed whole."""

    def __init__(self, network, image, *, tasks=DEFAULT_TASKS, dtype=torch.float32, **options):
        self.stem = StaticStem(network, dtype)
        self.transformer = StaticTransformer(network, tasks, dtype, **options)
        side = network.config.patch_size
        grid = image.shape[2] // side, image.shape[3] // side
        self.stem_state = self.stem.allocate(grid, CPU)
        self.state = self.transformer.allocate(grid)
        self.see(image)

    def see(self, image, patches=None, *, kept=None, forced=()):
        """Compute ``kept`` of the patches (n,), or everything; return which patches it was."""
        if patches is None:
            return self.transformer.dense(self.state, self.stem.dense(self.stem_state, image))
        tokens = self.stem.update(self.stem_state, image, patches, patches)
        return self.transformer.update(
            self.state, tokens, patches, torch.isin(patches, torch.tensor(forced)),
            len(patches) if kept is None else kept)

    def caches(self):
        return [*self.state.shared, self.state.own]

    def taps(self):
        return {taps: rows.clone() for taps, rows in self.state.taps.items()}


class Present:
    """The engine beside it, computing the rows that it is told."""

    def __init__(self, network, image, tasks=DEFAULT_TASKS):
        thresholds = uniform_thresholds(network.config.depth, temporal=0.0, task=0.0)
        self.network, self.tasks = network, tasks
        self.engine = SharingNetwork(network, thresholds, torch.float32)
        self.cache, self.settings = ActivationCache(), SharingSettings(policy='none')
        self.engine.run(self.cache, image, tasks, self.settings, PlanBounds())

    def see(self, image, rows=None):
        if rows is None:
            self.cache.reset('whole')
            self.engine.run(self.cache, image, self.tasks, self.settings, PlanBounds())
        else:
            self.engine.run_patches(self.cache, image, self.tasks, self.settings, rows)

    def rows(self, tap, task):
        """Return what a task's head reads at a tap (T, D)."""
        encoder = (self.network.base_task, *self.network.branches).index(
            self.network.encoder_of(task))
        taps = self.cache.camera.transformer.taps
        return torch.cat((taps.patches(tap, encoder), taps.prefix(tap, encoder)))


def error(static, present):
    """Return the largest relative difference of what any head reads."""
    worst = 0.0
    for task in present.tasks:
        taps = static.transformer.taps_of(task)
        found = static.state.rows(taps, static.transformer.number_of(task))
        for tap, rows in zip(taps, found.chunk(len(taps), dim=1), strict=True):
            expected = present.rows(tap, task)
            worst = max(worst, ((rows - expected).norm() / expected.norm()).item())
    return worst
