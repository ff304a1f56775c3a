"""Stem and encoder on lists of fixed lengths compute what the engine does for the same rows."""

from functools import lru_cache

from branched import branched_network
from clips import room_clip, uniform_thresholds
from padded import padded
from public_shapes import network_of as public_network
import pytest
import torch

from mtshare_ros.model.checkpoint import load_checkpoint
from mtshare_ros.model.head_config import HeadConfig
from mtshare_ros.model.manifest import find_model
from mtshare_ros.sharing.cache import ActivationCache
from mtshare_ros.sharing.network import SharingNetwork
from mtshare_ros.sharing.plan import PlanLimits
from mtshare_ros.sharing.settings import SharingSettings
from mtshare_ros.sharing.static.encoder import StaticEncoder
from mtshare_ros.sharing.static.stem import StaticStem
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

pytestmark = pytest.mark.usefixtures('no_gradients')
shapes = pytest.mark.parametrize('shape', SHAPES)
prefixes = pytest.mark.parametrize('prefix', [0, 2, 4])


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
        self.encoder = StaticEncoder(network, tasks, dtype, **options)
        side = network.config.patch_size
        grid = image.shape[2] // side, image.shape[3] // side
        self.stem_state = self.stem.allocate(grid, CPU)
        self.state = self.encoder.allocate(grid)
        self.see(image)

    def see(self, image, cells=None, *, kept=None, forced=()):
        """Compute ``kept`` of the cells (n,), or everything; return which cells it was."""
        if cells is None:
            return self.encoder.dense(self.state, self.stem.dense(self.stem_state, image))
        tokens = self.stem.update(self.stem_state, image, cells, cells)
        return self.encoder.update(
            self.state, tokens, cells, torch.isin(cells, torch.tensor(forced)),
            len(cells) if kept is None else kept)

    def taps(self):
        return {taps: rows.clone() for taps, rows in self.state.taps.items()}


class Present:
    """The engine beside it, computing the rows that it is told."""

    def __init__(self, network, image, tasks=DEFAULT_TASKS):
        thresholds = uniform_thresholds(network.config.depth, temporal=0.0, task=0.0)
        self.network, self.tasks = network, tasks
        self.engine = SharingNetwork(network, thresholds, torch.float32)
        self.cache, self.settings = ActivationCache(), SharingSettings(policy='none')
        self.engine.run(self.cache, image, tasks, self.settings, PlanLimits())

    def see(self, image, rows=None):
        if rows is None:
            self.cache.reset('whole')
            self.engine.run(self.cache, image, self.tasks, self.settings, PlanLimits())
        else:
            self.engine.run_rows(self.cache, image, self.tasks, self.settings, rows)

    def rows(self, tap, task):
        """Return what a task's head reads at a tap (T, D)."""
        member = (self.network.base_task, *self.network.branches).index(
            self.network.encoder_of(task))
        taps = self.cache.camera.encoder.taps
        return torch.cat((taps.cells(tap, member), taps.prefix(tap, member)))


def error(static, present):
    """Return the largest relative difference of what any head reads."""
    worst = 0.0
    for task in present.tasks:
        taps = static.encoder.taps_of(task)
        found = static.state.rows(taps, static.encoder.member_of(task))
        for tap, rows in zip(taps, found.chunk(len(taps), dim=1), strict=True):
            expected = present.rows(tap, task)
            worst = max(worst, ((rows - expected).norm() / expected.norm()).item())
    return worst


@shapes
@prefixes
def test_whole_frames_and_updates_equal_the_engine(shape, prefix):
    network = network_of(shape, prefix)
    static, present = (kind(network, image_of(0)) for kind in (Static, Present))
    assert error(static, present) < 1e-5
    for number, rows in ((3, ROWS), (6, ROWS[:3]), (8, ROWS + 1 - ROWS // 47)):
        static.see(image_of(number), padded(rows))
        present.see(image_of(number), rows)
        assert error(static, present) < 1e-5
    static.see(image_of(9))
    present.see(image_of(9))
    assert error(static, present) < 1e-5


@pytest.mark.parametrize('tasks', [('depth',), ('semseg', 'edge'), ('normals', 'depth')])
@pytest.mark.parametrize('shape', ['convolutions', 'taps'])
def test_an_encoder_of_some_tasks_equals_the_engine_for_them(shape, tasks):
    network = network_of(shape, 2)
    static, present = (kind(network, image_of(0), tasks=tasks) for kind in (Static, Present))
    assert static.encoder.members == tuple(task for task in network.tasks if task in tasks)
    static.see(image_of(4), ROWS)
    present.see(image_of(4), ROWS)
    assert error(static, present) < 1e-5


@pytest.mark.parametrize('patch_size', [14, 16])
def test_networks_of_public_shapes_equal_the_engine(patch_size):
    network, grid = public_network(patch_size), (6, 8)
    images = [image_of(number)[..., :grid[0] * patch_size, :grid[1] * patch_size]
              for number in (0, 5)]
    static, present = (kind(network, images[0]) for kind in (Static, Present))
    static.see(images[1], padded(ROWS))
    present.see(images[1], ROWS)
    assert error(static, present) < 1e-5


def test_the_shipped_model_equals_the_engine():
    network = load_checkpoint(find_model('default').path).network
    static, present = (kind(network, image_of(0)) for kind in (Static, Present))
    assert len(static.encoder.members) == 4
    static.see(image_of(4), padded(ROWS))
    present.see(image_of(4), ROWS)
    assert error(static, present) < 1e-5


@shapes
def test_entries_that_repeat_the_last_one_change_no_bit(shape):
    network = network_of(shape, 2)
    exact, longer = (Static(network, image_of(0)) for _ in range(2))
    for number in (3, 6):
        exact.see(image_of(number), ROWS)
        longer.see(image_of(number), padded(ROWS, 8))
    assert all(torch.equal(rows, longer.state.taps[taps]) for taps, rows in exact.taps().items())
    assert all(torch.equal(*caches)
               for caches in zip(exact.state.caches, longer.state.caches))


@shapes
@pytest.mark.parametrize('dtype, bound', [(torch.float16, 5e-3), (torch.bfloat16, 5e-2)])
def test_other_formats_stay_close_and_keep_what_is_normed_in_theirs(shape, dtype, bound):
    network = network_of(shape, 2)
    exact, rounded = (Static(network, image_of(0), dtype=kind)
                      for kind in (torch.float32, dtype))
    for static in (exact, rounded):
        static.see(image_of(4), ROWS)
    for taps, rows in exact.taps().items():
        found = rounded.state.taps[taps]
        assert found.dtype == (dtype if taps[0].normed else torch.float32)
        assert (found - rows).norm() < bound * rows.norm()


def test_the_weights_of_a_single_encoder_in_float32_are_those_of_the_network():
    network = network_of('convolutions', 4)
    matrix = Static(network, image_of(0)).encoder._blocks[0]._qkv._matrix
    assert matrix.data_ptr() == network.blocks[0].attn.qkv.weight.data_ptr()


class TestTheCut:
    """Of the cells that enter, a fixed number is computed."""

    def test_the_cells_that_changed_most_are_computed(self):
        static = Static(network_of('patches', 2), image_of(0))
        before, image = static.taps(), image_of(0).clone()
        for cell in (11, 20, 38):
            row, column = divmod(cell, 8)
            image[..., 16 * row:16 * row + 16, 16 * column:16 * column + 16] ^= 128
        assert static.see(image, ROWS, kept=3).tolist() == [11, 20, 38]
        for taps, rows in static.taps().items():
            changed = (rows != before[taps]).any(dim=2)
            assert changed[:, [11, 20, 38]].all() and changed.sum() == 3 * len(rows)

    def test_forced_cells_come_first(self):
        static = Static(network_of('convolutions', 2), image_of(0))
        assert static.see(image_of(0), ROWS, kept=2, forced=(13, 47)).tolist() == [13, 47]

    def test_a_cell_that_was_left_out_is_compared_with_what_was_computed_last(self):
        static = Static(network_of('patches', 2), image_of(0))
        left_out = set(ROWS.tolist()) - set(static.see(image_of(9), ROWS, kept=6).tolist())
        assert set(static.see(image_of(9), ROWS, kept=2).tolist()) == left_out

    def test_repetitions_take_no_place(self):
        exact, longer = (Static(network_of('registers', 2), image_of(0)) for _ in range(2))
        kept = exact.see(image_of(5), ROWS, kept=5, forced=(47,))
        assert torch.equal(longer.see(image_of(5), padded(ROWS, 9), kept=5, forced=(47,)), kept)
        assert all(torch.equal(rows, longer.state.taps[taps])
                   for taps, rows in exact.taps().items())

    def test_where_there_is_room_every_cell_is_computed(self):
        exact, longer = (Static(network_of('convolutions', 2), image_of(0)) for _ in range(2))
        exact.see(image_of(5), ROWS)
        kept = longer.see(image_of(5), padded(ROWS, 9), kept=11)
        assert kept.unique().tolist() == ROWS.tolist()
        assert all(torch.equal(rows, longer.state.taps[taps])
                   for taps, rows in exact.taps().items())

    def test_a_cell_that_is_not_a_number_is_computed_again(self):
        static = Static(network_of('patches', 2), image_of(0))
        static.state.reference[12] = torch.nan
        assert static.see(image_of(0), ROWS, kept=1).tolist() == [12]
