"""The kernels of blocks and heads give what their plain twins give."""

from types import SimpleNamespace

import pytest
import torch

from mtshare_ros.sharing.static import fused
from mtshare_ros.sharing.static.fused import Norm
from mtshare_ros.sharing.static.operators import KERNELS, operators_of, PLAIN

DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'
SHAPES = [(192, 3, torch.float32), (384, 6, torch.float16), (768, 12, torch.bfloat16),
          (36, 3, torch.float32)]
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
