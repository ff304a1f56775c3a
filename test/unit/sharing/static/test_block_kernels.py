"""The kernels of blocks give what their plain twins give."""

from close import assert_close, DEVICE
import pytest
import torch

from mtshare_ros.sharing.static.plain_steps import (
    bias_gelu,
    Norm,
    residual_norm,
    rotate_and_store,
)

SHAPES = [(192, 3, torch.float32), (384, 6, torch.float16), (768, 12, torch.bfloat16),
          (36, 3, torch.float32)]
ROWS, TOKENS = 5, 11


@pytest.fixture(params=SHAPES, ids=lambda shape: f'{shape[0]}-{str(shape[2])[6:]}')
def draw(request):
    """Return a function for random values (..., D) on the device; it knows D, heads and dtype."""
    width, heads, dtype = request.param
    generator = torch.Generator().manual_seed(0)

    def random(*shape, of=dtype):
        return torch.randn(*shape, generator=generator).to(DEVICE, of)
    random.width, random.heads, random.dtype = width, heads, dtype
    return random


@pytest.mark.parametrize('encoders', [1, 4])
@pytest.mark.parametrize('alike', [True, False])
@pytest.mark.parametrize('added', ['nothing', 'update', 'update and bias'])
def test_residual_and_norm_are_those_of_the_twin(kernels, draw, encoders, alike, added):
    width = draw.width
    shape = (width,) if alike else (encoders, 1, width)
    norm = Norm(draw(*shape, of=torch.float32), draw(*shape, of=torch.float32), 1e-6)
    values = draw(1, ROWS, width, of=torch.float32)
    update = None if added == 'nothing' else draw(encoders, ROWS, width)
    bias = draw(encoders, 1, width) if 'bias' in added else None

    found = kernels.residual_norm(values, update, bias, norm, draw.dtype)

    for ours, twin in zip(found, residual_norm(values, update, bias, norm, draw.dtype)):
        assert_close(ours, twin)
    assert update is not None or found[0] is values


def test_each_encoder_has_rows_of_its_own(kernels, draw):
    values, update = (draw(4, ROWS, draw.width, of=torch.float32) for _ in range(2))
    norm = Norm(*draw(2, draw.width, of=torch.float32), 1e-6)

    found = kernels.residual_norm(values, update, None, norm, draw.dtype)

    for ours, twin in zip(found, residual_norm(values, update, None, norm, draw.dtype)):
        assert_close(ours, twin)


def test_a_row_that_is_not_a_number_spoils_no_other(kernels, draw):
    values = draw(1, ROWS, draw.width, of=torch.float32)
    values[0, 2, 7] = torch.nan
    norm = Norm(*draw(2, draw.width, of=torch.float32), 1e-6)

    _, normed = kernels.residual_norm(values, draw(1, ROWS, draw.width), None, norm, draw.dtype)

    assert normed[0].isnan().any(dim=1).tolist() == [False, False, True, False, False]


@pytest.mark.parametrize('encoders', [1, 4])
@pytest.mark.parametrize('with_bias', [True, False])
@pytest.mark.parametrize('turned', [True, False])
def test_rows_are_turned_and_stored_as_by_the_twin(kernels, draw, encoders, with_bias, turned):
    width, heads = draw.width, draw.heads
    qkv, bias = draw(encoders, ROWS, 3 * width), draw(encoders, 1, 3 * width)
    rotation = draw(ROWS, 2, width // heads)
    qkv[:, -1], rotation[-1] = qkv[:, -2], rotation[-2]
    index = torch.tensor([0, 3, 4, 10, 10], device=DEVICE)
    caches = [torch.full((encoders, TOKENS, 2 * width), 7.0, dtype=draw.dtype, device=DEVICE)
              for _ in range(2)]
    rest = bias if with_bias else None, rotation if turned else None

    found = kernels.rotate_and_store(qkv.clone(), *rest, caches[0], index, heads)

    assert_close(found, rotate_and_store(qkv, *rest, caches[1], index, heads))
    assert_close(*caches)


@pytest.mark.parametrize('encoders', [1, 4])
@pytest.mark.parametrize('with_bias', [True, False])
def test_the_gelu_is_that_of_the_twin(kernels, draw, encoders, with_bias):
    rows = 3 * draw(encoders, ROWS, 4 * draw.width)
    bias = draw(encoders, 1, 4 * draw.width) if with_bias else None

    found = kernels.bias_gelu(rows.clone(), bias)

    assert_close(found, bias_gelu(rows, bias))
