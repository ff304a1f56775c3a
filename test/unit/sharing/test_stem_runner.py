"""The stem on some patches gives what the dense stem gives for the same reference image."""

import pytest
from sparse_parts import exchange, GRID, make_image, make_network, MASKS, rows_of
import torch

from mtshare_ros.model.network import fuse_batch_norm
from mtshare_ros.sharing.stem import StemRunner

CPU = torch.device('cpu')
STEMS = ('conv', 'patch')


class Stem:
    """A network's stem beside its runner, both fed with the same reference image."""

    def __init__(self, kind, **settings):
        self.network = make_network(stem=kind)
        self.runner = StemRunner(self.network, **settings)
        self.state = self.runner.allocate(GRID, CPU)
        self.image = make_image()
        self.tokens = self.runner.dense(self.state, self.image)

    def change(self, mask, patches=None, seed=1):
        """Let other patches enter; return the new tokens of the patches."""
        other = make_image(seed=seed)
        self.image = exchange(self.image, other, mask)
        patches = rows_of(self.runner.affected(mask)) if patches is None else patches
        found = self.runner.update(self.state, other, rows_of(mask), patches)
        self.tokens[patches] = found
        return found

    def expected(self):
        """Return what the network makes of the reference image."""
        return self.network.stem(self.network.normalize(self.image))

    def check(self):
        """Compare tokens and features with the network's."""
        expected = self.expected()
        tokens = expected.tokens[0].flatten(1).T
        assert torch.allclose(self.tokens, tokens, atol=1e-5)
        for map_, features in ((self.state.eighth, expected.eighth),
                               (self.state.quarter, expected.quarter)):
            if features is not None:
                rows = features[0].flatten(1).T
                assert torch.allclose(map_[:-1], rows, atol=1e-5)


@pytest.fixture(params=STEMS)
def stem(request):
    with torch.inference_mode():
        yield Stem(request.param)


def test_a_dense_frame_gives_the_tokens_of_the_network(stem):
    stem.check()


@pytest.mark.parametrize('name', MASKS)
def test_changed_patches_and_what_they_reach_equal_a_dense_stem(stem, name):
    stem.change(MASKS[name])
    stem.check()


def test_changes_after_changes_equal_a_dense_stem(stem):
    for seed, mask in enumerate(MASKS.values(), start=1):
        stem.change(mask, seed=seed)
    stem.check()


def test_random_changes_equal_a_dense_stem(stem):
    generator = torch.Generator().manual_seed(0)
    for seed in range(2, 12):
        stem.change(torch.rand(GRID, generator=generator) < 0.15, seed=seed)
    stem.check()


def test_patches_that_did_not_change_may_be_computed_too(stem):
    affected = stem.runner.affected(MASKS['blob'])
    affected = affected | MASKS['first corner'] | MASKS['last corner']
    stem.change(MASKS['blob'], patches=rows_of(affected))
    stem.check()


def test_the_reach_leaves_out_no_patch_and_names_none_in_vain(stem):
    before = stem.expected().tokens
    stem.change(MASKS['blob'])
    differs = (stem.expected().tokens != before).any(dim=1)[0]
    assert torch.equal(differs, stem.runner.affected(MASKS['blob']))


def test_patches_that_were_not_transmitted_stay_out_of_the_reference(stem):
    before = stem.tokens.clone()
    stem.runner.update(stem.state, make_image(seed=5), rows_of(MASKS['none']),
                       rows_of(MASKS['blob']))
    assert torch.allclose(
        stem.runner.update(stem.state, make_image(seed=5), rows_of(MASKS['none']),
                           rows_of(MASKS['all'])), before, atol=1e-5)


def test_no_patches_give_no_tokens(stem):
    assert stem.change(MASKS['none']).shape == (0, 48)


def test_an_image_of_planes_gives_the_same_tokens(stem):
    tokens = stem.runner.dense(stem.state, stem.image.contiguous())
    assert torch.equal(tokens, stem.tokens)


@pytest.mark.parametrize('kind', STEMS)
def test_two_cameras_do_not_disturb_each_other(kind):
    with torch.inference_mode():
        stem = Stem(kind)
        other = stem.runner.allocate(GRID, CPU)
        stem.runner.dense(other, make_image(seed=9))
        stem.change(MASKS['blob'])
        stem.check()


def test_a_fused_network_gives_the_same_tokens():
    with torch.inference_mode():
        stem = Stem('conv')
        runner = StemRunner(fuse_batch_norm(stem.network))
        tokens = runner.dense(runner.allocate(GRID, CPU), stem.image)
    assert torch.allclose(tokens, stem.tokens, atol=1e-5)


def test_bfloat16_stays_close_to_float32():
    with torch.inference_mode():
        stem, half = Stem('conv'), Stem('conv', dtype=torch.bfloat16)
        half.change(MASKS['blob'])
        stem.change(MASKS['blob'])
    assert half.tokens.dtype == torch.bfloat16
    assert torch.allclose(half.tokens.float(), stem.tokens, atol=0.05)


def test_the_work_of_a_patch_is_counted_from_the_weights():
    macs = {kind: StemRunner(make_network(stem=kind)).macs_per_patch for kind in STEMS}
    assert macs['patch'] == 16 * 16 * 3 * 48
    assert macs['conv'] == 9 * (64 * 3 * 8 + 16 * 8 * 12 + 4 * 12 * 16 + 16 * 48)


def test_the_memory_of_a_camera_is_counted():
    stem = Stem('patch')
    assert stem.state.nbytes == (48 + 1) * 768 * 4


@pytest.mark.parametrize('name', MASKS)
def test_patches_of_14_pixels_equal_a_dense_stem(name):
    with torch.inference_mode():
        network = make_network(stem='patch', patch_size=14, input_size=(84, 112))
        runner, mask = StemRunner(network), MASKS[name]
        state = runner.allocate(GRID, CPU)
        image, other = (make_image(seed=seed)[:, :, :84, :112] for seed in (0, 1))
        tokens = runner.dense(state, image)
        patches = rows_of(runner.affected(mask))
        tokens[patches] = runner.update(state, other, rows_of(mask), patches)
        pixels = mask.repeat_interleave(14, 0).repeat_interleave(14, 1)
        image = torch.where(pixels, other, image)
        expected = network.stem(network.normalize(image)).tokens[0].flatten(1).T
    assert torch.allclose(tokens, expected, atol=1e-5)
