"""Operators show as one call everywhere; a device gets the kernels that agree with their twins."""

from dataclasses import fields, replace

from gate_examples import gate_examples
from head_examples import examples_of_heads
from pretended_cuda import pretended_cuda
import pytest
from step_examples import examples_of_entering
import torch

from mtshare_ros.sharing.static import kernel_choice
from mtshare_ros.sharing.static.kernel_choice import choose
from mtshare_ros.sharing.static.operators import FUSED, Operators, PLAIN
from mtshare_ros.sharing.static.plain_steps import bias_gelu, Norm

NAMES = [field.name for field in fields(PLAIN)]


@pytest.fixture
def example():
    """Return the arguments of each operator, the same in every call."""
    generator = torch.Generator().manual_seed(0)
    values, update, bias, qkv, cache, rotation = (
        torch.randn(shape, generator=generator) for shape in (
            (1, 3, 8), (2, 3, 8), (2, 1, 8), (2, 3, 24), (2, 6, 16), (3, 2, 4)))
    return {
        'residual_norm': (values, update, bias, Norm(bias[0, 0], bias[1, 0], 1e-6),
                          torch.float16),
        'rotate_and_store': (qkv, None, rotation, cache, torch.tensor([0, 2, 5]), 2),
        'bias_gelu': (update, bias),
        **examples_of_heads(), **examples_of_entering(), **gate_examples()}


def listed(result):
    """Return the tensors of a result."""
    return [result] if isinstance(result, torch.Tensor) else list(result or ())


@pytest.mark.parametrize('name', NAMES)
def test_on_the_cpu_an_operator_is_its_plain_twin(example, name):
    copies = [[value.clone() if isinstance(value, torch.Tensor) else value
               for value in example[name]] for _ in range(2)]
    found, expected = (getattr(operators, name)(*values)
                       for operators, values in zip((FUSED, PLAIN), copies))

    assert all(torch.equal(*pair) for pair in zip(listed(found), listed(expected)))
    assert all(torch.equal(ours, twin) for ours, twin in zip(*copies)
               if isinstance(ours, torch.Tensor))


def test_a_norm_without_an_update_hands_its_rows_on(example):
    values, _, _, norm, dtype = example['residual_norm']

    total, normed = FUSED.residual_norm(values, None, None, norm, dtype)

    assert total is values
    assert torch.equal(normed, PLAIN.residual_norm(values, None, None, norm, dtype)[1])


@pytest.mark.parametrize('name', NAMES)
def test_an_operator_tells_its_shapes_without_data(example, name):
    on_meta = [value.to('meta') if isinstance(value, torch.Tensor) else value
               for value in example[name]]
    found, expected = (getattr(FUSED, name)(*values) for values in (on_meta, example[name]))

    for shape, real in zip(listed(found), listed(expected)):
        assert (shape.shape, shape.dtype) == (real.shape, real.dtype)


class Steps(torch.nn.Module):
    """What follows a product in a block."""

    def forward(self, values, update, cache, index):
        _, normed = FUSED.residual_norm(values, update, None, self.norm, torch.float32)
        query = FUSED.rotate_and_store(normed.repeat(1, 1, 3), None, None, cache, index, 2)
        return FUSED.bias_gelu(query, None), cache


def test_an_export_holds_each_operator_as_one_step(example):
    values, update, _, norm, _ = example['residual_norm']
    cache, index = example['rotate_and_store'][3:5]
    steps = Steps()
    steps.norm = norm

    exported = torch.export.export(steps, (values, update, cache, index), strict=False)

    names = [str(node.target) for node in exported.graph.nodes]
    assert [name for name in names if name.startswith('mtshare.')] == [
        'mtshare.residual_norm.default', 'mtshare.rotate_and_store.default',
        'mtshare.bias_gelu.default']
    results = [module(values, update, cache.clone(), index)
               for module in (exported.module(), steps)]
    assert all(torch.equal(*pair) for pair in zip(*results))


def test_the_cpu_has_plain_operators_and_nothing_to_tell():
    chosen = choose(torch.device('cpu'), torch.float32)
    assert chosen.operators is PLAIN and not chosen.notices


@pytest.fixture
def gpu(monkeypatch):
    """Pretend a GPU, with Triton."""
    monkeypatch.setattr(kernel_choice, 'has_triton', lambda: True)
    with pretended_cuda() as device:
        yield device


@pytest.mark.parametrize('dtype', [torch.float32, torch.float16, torch.bfloat16])
def test_kernels_that_agree_with_their_twins_are_chosen(gpu, dtype):
    chosen = choose(torch.device('cuda:0'), dtype)
    assert chosen.operators == FUSED and not chosen.notices


def on_gpu(value):
    if isinstance(value, Norm):
        return Norm(value.weight.to('cuda:0'), value.bias.to('cuda:0'), value.eps)
    return value.to('cuda:0') if isinstance(value, torch.Tensor) else value


def test_each_operator_is_one_launch(gpu, example):
    for name in NAMES:
        values = [on_gpu(value) for value in example[name]]
        gpu.clear()
        getattr(FUSED, name)(*values)
        assert gpu.launches == 1 and not gpu.synchronisations


@pytest.mark.fault(33)
def test_without_triton_one_notice_says_so(gpu, monkeypatch):
    monkeypatch.setattr(kernel_choice, 'has_triton', lambda: False)
    chosen = choose(torch.device('cuda:0'), torch.float16)
    assert chosen.operators is PLAIN and chosen.notices == (kernel_choice.NO_TRITON,)


def broken(*arguments):
    raise RuntimeError('ptxas fatal: no such target\nand a long story')


@pytest.mark.fault(33)
@pytest.mark.parametrize('kernel, reason', [
    (broken, 'RuntimeError: ptxas fatal: no such target;'),
    (lambda rows, bias: bias_gelu(rows, bias) + 0.1, 'because the kernel differs'),
    (lambda rows, bias: bias_gelu(rows, bias) * torch.nan, 'because the kernel differs'),
])
def test_a_kernel_that_fails_or_differs_is_left_out_with_its_reason(
        gpu, monkeypatch, kernel, reason):
    monkeypatch.setattr(kernel_choice, 'FUSED', replace(FUSED, bias_gelu=kernel))

    chosen = choose(torch.device('cuda:0'), torch.float16)

    assert chosen.operators == replace(FUSED, bias_gelu=PLAIN.bias_gelu)
    notice, = chosen.notices
    assert 'without a kernel on cuda:0: bias_gelu, ' in notice and reason in notice


@pytest.mark.fault(33)
def test_what_lets_no_kernel_run_is_told_once(gpu, monkeypatch):
    monkeypatch.setattr(kernel_choice, 'FUSED', Operators(**dict.fromkeys(NAMES, broken)))

    chosen = choose(torch.device('cuda:0'), torch.float16)

    assert chosen.operators == PLAIN
    notice, = chosen.notices
    assert all(name in notice for name in NAMES)
