"""The kernels of the gate give what their plain twins give."""

from types import SimpleNamespace

from gate_examples import (
    adapt_example,
    entries_example,
    gate_examples,
    image_example,
    mark_example,
    settle_example,
)
import pytest
import torch

from mtshare_ros.sharing.static.operators import KERNELS, operators_of, PLAIN

DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'


@pytest.fixture(scope='module')
def kernels():
    """Return the operators as CUDA runs them, by the interpreter of Triton where there is none."""
    pytest.importorskip('triton', reason='the kernels need Triton')
    return operators_of(SimpleNamespace(**KERNELS))


def run(operators, name: str, arguments: tuple) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Return what an operator gives, and all its tensors as it leaves them."""
    tensors = [value.clone().to(DEVICE) if isinstance(value, torch.Tensor) else value
               for value in arguments]
    return getattr(operators, name)(*tensors), [
        value for value in tensors if isinstance(value, torch.Tensor)]


def assert_equal(kernels, name: str, arguments: tuple) -> None:
    found, left = run(kernels, name, arguments)
    expected, expected_left = run(PLAIN, name, arguments)

    if expected is not None:
        assert found.dtype == expected.dtype and torch.equal(found, expected)
    assert all(torch.equal(*pair) for pair in zip(left, expected_left))


@pytest.mark.parametrize('seed', range(3))
def test_scores_are_those_of_the_twin(kernels, seed):
    arguments = gate_examples(seed=seed)['score']

    found, _ = run(kernels, 'score', arguments)

    expected, _ = run(PLAIN, 'score', arguments)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert 0 < (found > 1).sum() < len(found) and (found == 0).any()


@pytest.mark.parametrize('patch_size', [8, 14, 16, 20, 32])
def test_an_image_is_pooled_as_by_the_twin(kernels, patch_size):
    arguments = image_example(patch_size, 0)

    (_, current, past, *_), (_, expected, last, *_) = (
        run(operators, 'take_image', arguments)[1] for operators in (kernels, PLAIN))

    torch.testing.assert_close(current, expected, rtol=1e-6, atol=1e-4)
    assert torch.equal(past, last) and torch.equal(past.cpu(), arguments[1])


@pytest.mark.parametrize('count', [0, 3, 40, 117])
def test_patches_are_transmitted_and_cells_age_as_by_the_twin(kernels, count):
    assert_equal(kernels, 'settle', settle_example(count, 0))


@pytest.mark.parametrize('seed', range(3))
def test_energies_are_those_of_the_twin(kernels, seed):
    arguments = gate_examples(seed=seed)['energies']

    for ours, twin in zip(*(run(operators, 'energies', arguments)[0]
                            for operators in (kernels, PLAIN))):
        torch.testing.assert_close(ours, twin, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('known', [0.0, 1.0, 9.0, 10.0])
@pytest.mark.parametrize('scene', [
    {}, {'noise': 3.0}, {'noise': 0.1}, {'silent': 30}, {'silent': 70}, {'silent': 117},
    {'moving': 30}, {'noise': 3.0, 'moving': 75}, {'moving': 110}], ids=str)
def test_the_noise_is_learnt_as_by_the_twin(kernels, scene, known):
    *others, steps, shrinkage = adapt_example(0, **scene)
    arguments = *others, steps.fill_(known + 1.0).clamp_(max=10.0), shrinkage

    (*_, ours, our_steps), (*_, twins, twin_steps) = (
        run(operators, 'adapt', arguments)[1] for operators in (kernels, PLAIN))

    assert our_steps == twin_steps and not torch.equal(twins, arguments[-3])
    torch.testing.assert_close(ours, twins, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('seed', range(3))
@pytest.mark.parametrize('halo', [0, 1])
def test_the_same_cells_enter_as_by_the_twin(kernels, halo, seed):
    assert_equal(kernels, 'mark', mark_example(halo, seed))


@pytest.mark.parametrize('seed', range(3))
def test_the_same_pixels_are_marked_as_by_the_twin(kernels, seed):
    assert_equal(kernels, 'spread', gate_examples(seed=seed)['spread'])


@pytest.mark.parametrize('lengths, sizes', [
    ((117, 40, 1872), (30, 7, 600)), ((1, 1, 1), (1, 1, 1)), ((255, 1, 257), (300, 2, 9)),
    ((64, 64, 128), (1, 300, 128))])
def test_the_same_entries_are_listed_as_by_the_twin(kernels, lengths, sizes):
    for seed in range(3):
        assert_equal(kernels, 'entries', entries_example(lengths, sizes, seed))
