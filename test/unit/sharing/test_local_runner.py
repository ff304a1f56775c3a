"""A decode head on some patches gives what the dense head gives for the same tokens."""

import pytest
from sparse_parts import exchange, GRID, make_image, make_network, MASKS, rows_of, TASKS
import torch

from mtshare_ros.model.heads import HeadInput
from mtshare_ros.sharing.enlargement import enlarge
from mtshare_ros.sharing.head import ChangedPatches
from mtshare_ros.sharing.local_runner import LocalRunner
from mtshare_ros.sharing.stem import StemRunner
from mtshare_ros.sharing.taps import HeadInputs

CPU = torch.device('cpu')
COUNT = GRID[0] * GRID[1]
SIZE = (GRID[0] * 16, GRID[1] * 16)


class Heads:
    """The heads of a network beside their runners, fed with the same tokens and image."""

    def __init__(self, *, tasks=TASKS, dtype=torch.float32, **network):
        self.network = make_network(**network)
        self.generator = torch.Generator().manual_seed(3)
        self.image = make_image()
        self.tokens = torch.randn(COUNT, 48, generator=self.generator)
        self.stem = StemRunner(self.network, dtype)
        self.stem_state = self.stem.allocate(GRID, CPU)
        self.stem.dense(self.stem_state, self.image)
        self.heads = {name: LocalRunner(self.network, name, dtype) for name in tasks}
        self.states = {name: head.allocate(GRID, CPU) for name, head in self.heads.items()}
        self.update(torch.arange(COUNT))

    def change(self, mask, seed=1):
        """Let patches enter, draw new tokens where they reach; return the patches reached."""
        other = make_image(seed=seed)
        self.image = exchange(self.image, other, mask)
        patches = rows_of(self.stem.affected(mask))
        self.stem.update(self.stem_state, other, rows_of(mask), patches)
        return self.renew(patches)

    def renew(self, patches):
        """Draw new tokens for patches and update all heads; return the affected patches."""
        self.tokens[patches] = torch.randn(len(patches), 48, generator=self.generator)
        return self.update(patches)

    def update(self, patches, tasks=None):
        """Update the heads of all or some tasks; return the patches that were reached."""
        names = tasks or list(self.heads)
        dirty = ChangedPatches(self.stem_state, torch.zeros(COUNT, dtype=torch.bool).index_fill(
            0, patches, True))
        inputs = HeadInputs((self.tokens,), (), self.stem_state)
        for name in names:
            affected = self.heads[name].update(self.states[name], inputs, dirty).affected
        return affected

    def expected(self, task):
        """Return the raw output of the network's own head."""
        features = self.network.stem(self.network.normalize(self.image))
        tokens = self.tokens.T.reshape(1, -1, *GRID)
        return self.network.heads[task](HeadInput((tokens,), (), features))

    def check(self, **tolerance):
        """Compare every raw output with the network's."""
        for task, state in self.states.items():
            expected = self.expected(task)
            assert state.raw.shape == expected.shape
            assert torch.allclose(state.raw, expected, **(tolerance or {'atol': 1e-5})), task


@pytest.fixture(params=['conv', 'patch'])
def heads(request):
    with torch.inference_mode():
        yield Heads(stem=request.param)


def test_a_dense_frame_gives_the_outputs_of_the_network(heads):
    heads.check()


@pytest.mark.parametrize('name', MASKS)
def test_changed_patches_give_the_outputs_of_a_dense_head(heads, name):
    heads.change(MASKS[name])
    heads.check()


def test_changes_after_changes_give_the_outputs_of_a_dense_head(heads):
    for seed, mask in enumerate(MASKS.values(), start=1):
        heads.change(mask, seed=seed)
    heads.check()


def test_random_changes_give_the_outputs_of_a_dense_head(heads):
    for seed in range(2, 12):
        heads.change(torch.rand(GRID, generator=heads.generator) < 0.1, seed=seed)
    heads.check()


def test_tokens_may_change_where_the_image_did_not(heads):
    heads.renew(rows_of(MASKS['scattered']))
    heads.check()


@pytest.mark.parametrize('depth', [0, 1, 3, 4])
def test_any_depth_of_head_is_exact(depth):
    with torch.inference_mode():
        heads = Heads(head_depth=depth)
        for seed, mask in enumerate(MASKS.values(), start=1):
            heads.change(mask, seed=seed)
        heads.check()


@pytest.mark.parametrize('depth', [0, 2, 4])
def test_the_patches_returned_are_all_in_which_the_enlarged_output_differs(depth):
    with torch.inference_mode():
        heads = Heads(head_depth=depth, tasks=('normals',))
        before = enlarge(heads.states['normals'].raw, SIZE)
        affected = heads.change(MASKS['blob'])
        differs = (enlarge(heads.states['normals'].raw, SIZE) != before).any(dim=1)[0]
    patches = differs.unflatten(1, (-1, 16)).unflatten(0, (-1, 16)).any(dim=3).any(dim=1)
    assert set(rows_of(patches).tolist()) <= set(affected.tolist())
    border = torch.nn.functional.max_pool2d(patches[None].float(), 3, 1, 1)[0] > 0
    assert set(affected.tolist()) <= set(rows_of(border).tolist())


def test_the_patches_returned_are_sorted_and_each_once(heads):
    affected = heads.change(MASKS['scattered'])
    assert torch.equal(affected, affected.unique())


def test_nothing_changed_reaches_nothing(heads):
    assert heads.change(MASKS['none']).shape == (0,)


def test_each_task_may_have_its_own_tokens_and_patches(heads):
    first = heads.tokens.clone()
    for task, name in (('semseg', 'blob'), ('depth', 'scattered'), ('edge', 'last corner')):
        patches = rows_of(MASKS[name])
        heads.tokens = first.clone()
        heads.tokens[patches] += 1
        heads.update(patches, [task])
        assert torch.allclose(heads.states[task].raw, heads.expected(task), atol=1e-5)


def test_the_same_patches_in_the_next_frame_read_the_new_features():
    with torch.inference_mode():
        heads, patches = Heads(), rows_of(MASKS['all'])
        for seed in (1, 2):
            heads.image = make_image(seed=seed)
            heads.stem.update(heads.stem_state, heads.image, patches, patches)
            heads.renew(patches)
            heads.check()


def test_one_geometry_holds_for_the_heads_of_all_tasks(heads):
    assert len({head.geometry for head in heads.heads.values()}) == 1


def test_tokens_of_half_precision_are_taken(heads):
    expected = heads.states['depth'].raw.clone()
    heads.tokens = heads.tokens.bfloat16()
    heads.update(torch.arange(COUNT))
    assert torch.allclose(heads.states['depth'].raw, expected, atol=0.1)


def test_bfloat16_weights_give_a_float32_output_close_to_float32():
    with torch.inference_mode():
        heads = Heads(dtype=torch.bfloat16)
        heads.change(MASKS['blob'])
        assert heads.states['normals'].raw.dtype == torch.float32
        heads.check(atol=0.2)


def test_the_work_of_a_patch_is_counted_from_the_weights():
    macs = LocalRunner(make_network(), 'normals').dense_macs((1, 1))
    merging = 48 * 192 + 4 * 16 * 48 + 16 * 12 * 12
    assert macs == merging + 16 * (2 * 9 * 12 * 12 + 12 * 3)


def test_the_memory_of_a_camera_is_counted(heads):
    pixels = COUNT * 16 + 1
    assert heads.states['depth'].nbytes == pixels * (2 * 12 + 1) * 4


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device')
def test_cuda_gives_the_outputs_of_the_cpu():
    device = torch.device('cuda')
    with torch.inference_mode():
        heads = Heads(tasks=('depth',))
        heads.network.to(device)
        stem = StemRunner(heads.network)
        state = stem.allocate(GRID, device)
        stem.dense(state, heads.image.to(device))
        head = LocalRunner(heads.network, 'depth')
        found = head.allocate(GRID, device)
        inputs = HeadInputs((heads.tokens.to(device),), (), state)
        head.update(found, inputs, ChangedPatches(state))
    assert torch.allclose(found.raw.cpu(), heads.states['depth'].raw, atol=1e-2)
