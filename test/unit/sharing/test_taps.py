"""Heads that read the transformer behind any of its blocks."""

from functools import lru_cache

from branched import branched_network
from clips import KINDS, room_clip, uniform_thresholds
import pytest
import torch

from mtshare_ros.model.architecture import HeadConfig
from mtshare_ros.model.backbone import StemFeatures
from mtshare_ros.model.description import TaskThresholds
from mtshare_ros.model.heads import HeadInput
from mtshare_ros.sharing.camera_cache import ActivationCache
from mtshare_ros.sharing.plan import PlanBounds
from mtshare_ros.sharing.sharing_network import SharingNetwork
from mtshare_ros.sharing.sharing_settings import SharingSettings
from mtshare_ros.sharing.taps import Tap
from mtshare_ros.tasks import DEFAULT_TASKS

HEADS = {
    'semseg': HeadConfig(taps=(1, 3, 4), channels=8, depth=1),
    'depth': HeadConfig(taps=(2, 4), normed=False, channels=8, depth=1),
    'normals': HeadConfig(taps=(1, 2), channels=8, depth=1),
}
"""Of four blocks; ``edge`` reads the last one, as heads do that say nothing."""

pytestmark = pytest.mark.usefixtures('no_gradients')
kinds = pytest.mark.parametrize('kind', KINDS)
prefixes = pytest.mark.parametrize('prefix', [0, 2, 4])


@lru_cache(maxsize=None)
def network_of(prefix):
    return branched_network(
        prefix=prefix, class_token=True, register_tokens=1, heads=HEADS, stem='patch')


class Seen:
    """A camera whose frames go through the engine, and what heads make of what it keeps."""

    def __init__(self, prefix=2, *, temporal=0.1, **sharing):
        self.network = network_of(prefix)
        self.sharing = SharingNetwork(self.network, uniform_thresholds(
            self.network.config.depth, temporal=temporal, task=0.1), torch.float32)
        self.cache, self.settings = ActivationCache(), SharingSettings(**sharing)

    def see(self, frame, tasks=DEFAULT_TASKS):
        self.image = torch.from_numpy(frame).permute(2, 0, 1)[None]
        return self.sharing.run(self.cache, self.image, tasks, self.settings, PlanBounds())

    def given(self, task):
        """Return what a head reads of what the transformer keeps."""
        state, config = self.cache.camera, self.network.config
        encoder = (self.network.base_task, *self.network.branches).index(
            self.network.encoder_of(task))
        head, taps = config.head_of(task), state.transformer.taps
        places = [Tap(block, head.normed) for block in config.taps_of(head)]
        planes = [taps.patches(tap, encoder).T.unflatten(1, state.grid)[None] for tap in places]
        return HeadInput(tuple(planes), tuple(taps.prefix(tap, encoder)[None] for tap in places),
                         StemFeatures(planes[0]))

    def drift(self, task):
        """Return how far a raw output is from what its head makes of the kept tokens."""
        expected = self.network.heads[task](self.given(task))
        raw = self.cache.camera.heads[task].raw
        return ((raw - expected).norm() / expected.norm()).item()

    def error(self, task):
        """Return the largest relative distance to dense of what a head reads."""
        features = self.network.stem(self.network.normalize(self.image))
        dense, given = self.network.encode(features, (task,))[task], self.given(task)
        pairs = zip((*dense.taps, *dense.prefix), (*given.taps, *given.prefix))
        return max(((found - value).norm() / value.norm()).item() for value, found in pairs)


def drive(frames=8):
    return room_clip('drive', noise=1.0)[:frames]


@kinds
@prefixes
def test_a_head_is_given_the_tokens_of_every_block_it_taps(prefix, kind):
    seen = Seen(prefix, block=kind, temporal_threshold=0.0, task_threshold=0.0)
    for frame in drive(3):
        seen.see(frame)
        assert max(map(seen.error, DEFAULT_TASKS)) < 1e-5


@kinds
@prefixes
def test_all_patches_forced_give_heads_what_dense_does(prefix, kind):
    seen = Seen(prefix, block=kind, refresh_period=1)
    for frame in drive(4):
        work = seen.see(frame)
        assert work.entered == work.patch_count
    assert max(map(seen.error, DEFAULT_TASKS)) < 1e-4


@kinds
@prefixes
def test_a_head_decodes_every_patch_that_changed_at_one_of_its_taps(prefix, kind):
    seen = Seen(prefix, temporal=0.3 if kind == 'fast' else 1.5, block=kind)
    decoded = []
    for frame in drive():
        work = seen.see(frame)
        assert max(map(seen.drift, DEFAULT_TASKS)) < 1e-4
        decoded += [item.changed for item in work.tasks.values() if item.changed is not None]
    assert decoded and max(map(seen.error, DEFAULT_TASKS)) > 1e-3


@kinds
@prefixes
def test_a_head_that_missed_frames_decodes_what_changed_at_its_taps_meanwhile(prefix, kind):
    seen = Seen(prefix, temporal=0.3 if kind == 'fast' else 1.5, block=kind)
    for number, frame in enumerate(drive(12)):
        tasks = DEFAULT_TASKS if number % 4 == 0 else (DEFAULT_TASKS[number % 4], 'edge')
        seen.see(frame, tasks)
        assert max(map(seen.drift, tasks)) < 1e-4


def test_patches_that_leave_an_early_tap_are_decoded_though_later_blocks_drop_them():
    seen = Seen(4, temporal=0.0, policy='none')
    seen.sharing = seen.sharing.with_thresholds(dict.fromkeys(
        DEFAULT_TASKS, TaskThresholds((1e-3, 50.0, 50.0, 50.0), (0.0,) * 4)))
    seen.see(drive()[0])
    changed = {task: item.changed for task, item in seen.see(jumped(drive()[0])).tasks.items()}
    assert all(len(changed[task]) > 0 for task in ('semseg', 'normals'))
    assert all(len(changed[task]) == 0 for task in ('depth', 'edge'))


def test_what_all_encoders_read_alike_is_kept_once():
    taps = Seen(2)
    taps.see(drive()[0])
    buffers = taps.cache.camera.transformer.taps.buffers
    sizes = {tap: len(buffer) for tap, buffer in buffers.items()}
    assert sizes[Tap(2, normed=False)] == 50
    assert sizes[Tap(4, normed=False)] == sizes[Tap(4)] == 200


def jumped(frame):
    frame = frame.copy()
    frame[32:48, 48:64] ^= 255
    return frame
