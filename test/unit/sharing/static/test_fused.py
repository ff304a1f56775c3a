"""The kernels of blocks give what their plain twins give; operators show as one call."""

from dataclasses import fields, replace
from types import SimpleNamespace

from entering_examples import examples_of_entering
from gate_examples import gate_examples
from pretended_cuda import pretended_cuda
import pytest
import torch

from mtshare_ros.sharing.static import choosing, fused
from mtshare_ros.sharing.static.choosing import choose
from mtshare_ros.sharing.static.fused import Norm
from mtshare_ros.sharing.static.operators import (
    FUSED,
    KERNELS,
    Operators,
    operators_of,
    PLAIN,
)

DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'
SHAPES = [(192, 3, torch.float32), (384, 6, torch.float16), (768, 12, torch.bfloat16),
          (36, 3, torch.float32)]
NAMES = [field.name for field in fields(PLAIN)]
ROWS, TOKENS = 5, 11


@pytest.fixture
def kernels():
    """Return the operators as CUDA runs them, by the interpreter of Triton where there is none."""
    pytest.importorskip('triton', reason='the kernels need Triton')
    return operators_of(SimpleNamespace(**KERNELS))


@pytest.fixture(params=SHAPES, ids=lambda shape: f'{shape[0]}-{str(shape[2])[6:]}')
def draw(request):
    """Return a function for random values (..., D) on the device; it knows D, heads and dtype."""
    width, heads, dtype = request.param
    generator = torch.Generator().manual_seed(0)

    def random(*shape, of=dtype):
        return torch.randn(*shape, generator=generator).to(DEVICE, of)
    random.width, random.heads, random.dtype = width, heads, dtype
    return random


def assert_close(found, expected):
    """Compare; what is rounded to half precision differs by a few roundings."""
    assert found.dtype == expected.dtype and found.shape == expected.shape
    tolerance = 8 * torch.finfo(expected.dtype).eps * expected.abs().max().item()
    assert torch.allclose(found.float(), expected.float(), rtol=0, atol=tolerance, equal_nan=True)


@pytest.mark.parametrize('members', [1, 4])
@pytest.mark.parametrize('alike', [True, False])
@pytest.mark.parametrize('added', ['nothing', 'update', 'update and bias'])
def test_residual_and_norm_are_those_of_the_twin(kernels, draw, members, alike, added):
    width = draw.width
    shape = (width,) if alike else (members, 1, width)
    norm = Norm(draw(*shape, of=torch.float32), draw(*shape, of=torch.float32), 1e-6)
    values = draw(1, ROWS, width, of=torch.float32)
    update = None if added == 'nothing' else draw(members, ROWS, width)
    bias = draw(members, 1, width) if 'bias' in added else None

    found = kernels.residual_norm(values, update, bias, norm, draw.dtype)

    for ours, twin in zip(found, fused.residual_norm(values, update, bias, norm, draw.dtype)):
        assert_close(ours, twin)
    assert update is not None or found[0] is values


def test_each_member_has_rows_of_its_own(kernels, draw):
    values, update = (draw(4, ROWS, draw.width, of=torch.float32) for _ in range(2))
    norm = Norm(*draw(2, draw.width, of=torch.float32), 1e-6)

    found = kernels.residual_norm(values, update, None, norm, draw.dtype)

    for ours, twin in zip(found, fused.residual_norm(values, update, None, norm, draw.dtype)):
        assert_close(ours, twin)


def test_a_row_that_is_not_a_number_spoils_no_other(kernels, draw):
    values = draw(1, ROWS, draw.width, of=torch.float32)
    values[0, 2, 7] = torch.nan
    norm = Norm(*draw(2, draw.width, of=torch.float32), 1e-6)

    _, normed = kernels.residual_norm(values, draw(1, ROWS, draw.width), None, norm, draw.dtype)

    assert normed[0].isnan().any(dim=1).tolist() == [False, False, True, False, False]


@pytest.mark.parametrize('members', [1, 4])
@pytest.mark.parametrize('with_bias', [True, False])
@pytest.mark.parametrize('turned', [True, False])
def test_rows_are_turned_and_stored_as_by_the_twin(kernels, draw, members, with_bias, turned):
    width, heads = draw.width, draw.heads
    qkv, bias = draw(members, ROWS, 3 * width), draw(members, 1, 3 * width)
    rotation = draw(ROWS, 2, width // heads)
    qkv[:, -1], rotation[-1] = qkv[:, -2], rotation[-2]
    index = torch.tensor([0, 3, 4, 10, 10], device=DEVICE)
    caches = [torch.full((members, TOKENS, 2 * width), 7.0, dtype=draw.dtype, device=DEVICE)
              for _ in range(2)]
    rest = bias if with_bias else None, rotation if turned else None

    found = kernels.rotate_and_store(qkv.clone(), *rest, caches[0], index, heads)

    assert_close(found, fused.rotate_and_store(qkv, *rest, caches[1], index, heads))
    assert_close(*caches)


@pytest.mark.parametrize('members', [1, 4])
@pytest.mark.parametrize('with_bias', [True, False])
def test_the_gelu_is_that_of_the_twin(kernels, draw, members, with_bias):
    rows = 3 * draw(members, ROWS, 4 * draw.width)
    bias = draw(members, 1, 4 * draw.width) if with_bias else None

    found = kernels.bias_gelu(rows.clone(), bias)

    assert_close(found, fused.bias_gelu(rows, bias))


@pytest.mark.parametrize('of_rows', [torch.float32, None], ids=['float32', 'same'])
@pytest.mark.parametrize('name, repeats', [
    ('relu_store', 0), ('relu_store', 1), ('relu_store', 4), ('store', 0), ('store', 1)])
def test_pixels_are_stored_as_by_the_twin(kernels, draw, name, repeats, of_rows):
    values = draw(3, 8, 37)
    bias = draw(3, repeats, 37, of=torch.float32) if repeats else None
    if of_rows is None:
        of_rows = draw.dtype
    else:
        values = values.float()
    index = torch.tensor([0, 3, 4, 10, 12, 17, 18, 2], device=DEVICE)
    rows = [torch.full((3, 20, 37), 7.0, dtype=of_rows, device=DEVICE) for _ in range(2)]

    getattr(kernels, name)(values.clone(), bias, rows[0], index)

    getattr(PLAIN, name)(values, bias, rows[1], index)
    assert_close(*rows)


@pytest.mark.parametrize('repeats', [0, 1, 4])
def test_the_relu_is_that_of_the_twin(kernels, draw, repeats):
    values = draw(3, 8, 37)
    values[1, 2, 3] = torch.nan
    bias = draw(3, repeats, 37, of=torch.float32) if repeats else None
    for dtype in {torch.float32, draw.dtype}:
        found = kernels.relu_bias(values.clone(), bias, dtype)
        assert found.isnan().sum() == 1
        assert_close(found.nan_to_num(), PLAIN.relu_bias(values.clone(), bias, dtype).nan_to_num())


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
        'relu_store': (update, bias, cache[..., :8].contiguous(), torch.tensor([0, 2, 5])),
        'relu_bias': (update, None, torch.float32),
        'store': (update, bias, cache[..., :8].contiguous(), torch.tensor([0, 2, 5])),
        **examples_of_entering(), **gate_examples()}


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
    monkeypatch.setattr(choosing, 'has_triton', lambda: True)
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
    monkeypatch.setattr(choosing, 'has_triton', lambda: False)
    chosen = choose(torch.device('cuda:0'), torch.float16)
    assert chosen.operators is PLAIN and chosen.notices == (choosing.NO_TRITON,)


def broken(*arguments):
    raise RuntimeError('ptxas fatal: no such target\nand a long story')


@pytest.mark.fault(33)
@pytest.mark.parametrize('kernel, reason', [
    (broken, 'RuntimeError: ptxas fatal: no such target;'),
    (lambda rows, bias: fused.bias_gelu(rows, bias) + 0.1, 'because the kernel differs'),
    (lambda rows, bias: fused.bias_gelu(rows, bias) * torch.nan, 'because the kernel differs'),
])
def test_a_kernel_that_fails_or_differs_is_left_out_with_its_reason(
        gpu, monkeypatch, kernel, reason):
    monkeypatch.setattr(choosing, 'FUSED', replace(FUSED, bias_gelu=kernel))

    chosen = choose(torch.device('cuda:0'), torch.float16)

    assert chosen.operators == replace(FUSED, bias_gelu=PLAIN.bias_gelu)
    notice, = chosen.notices
    assert 'without a kernel on cuda:0: bias_gelu, ' in notice and reason in notice


@pytest.mark.fault(33)
def test_what_lets_no_kernel_run_is_told_once(gpu, monkeypatch):
    monkeypatch.setattr(choosing, 'FUSED', Operators(**dict.fromkeys(NAMES, broken)))

    chosen = choose(torch.device('cuda:0'), torch.float16)

    assert chosen.operators == PLAIN
    notice, = chosen.notices
    assert all(name in notice for name in NAMES)
