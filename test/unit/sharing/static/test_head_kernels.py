"""The kernels that begin and end a layer of heads give what their plain twins give."""

from close import assert_close, DEVICE
import pytest
import torch

from mtshare_ros.sharing.static import plain_steps

INDEX = torch.tensor([0, 3, 4, 10, 12, 17, 18, 2], device=DEVICE)
DTYPES = [torch.float32, torch.float16, torch.bfloat16]

dtypes = pytest.mark.parametrize('dtype', DTYPES)
repeats = pytest.mark.parametrize('repeats', [0, 1, 4])


@pytest.fixture
def draw():
    generator = torch.Generator().manual_seed(0)
    return lambda *shape, of=torch.float32: torch.randn(shape, generator=generator).to(DEVICE, of)


def bias_of(draw, heads, repeats, width):
    return draw(heads, repeats, width) if repeats else None


@dtypes
@pytest.mark.parametrize('heads, width', [(1, 48), (3, 37)])
@pytest.mark.parametrize('kind', [torch.int32, torch.int64])
def test_rows_are_gathered_as_by_the_twin(kernels, draw, dtype, heads, width, kind):
    source = draw(heads, 20, width, of=dtype)
    table = torch.randint(0, 20, (19, 9), generator=torch.Generator().manual_seed(1))
    table = table.to(DEVICE, kind)

    found = kernels.gather(source, table, INDEX)

    assert torch.equal(found, plain_steps.gather(source, table, INDEX))


@dtypes
@repeats
def test_rows_are_stored_as_by_the_twin(kernels, draw, dtype, repeats):
    values, bias = draw(3, 8, 37, of=dtype), bias_of(draw, 3, repeats, 37)
    rows = [torch.full((3, 20, 37), 7.0, dtype=dtype, device=DEVICE) for _ in range(2)]

    kernels.relu_store(values.clone(), bias, rows[0], INDEX)

    plain_steps.relu_store(values, bias, rows[1], INDEX)
    assert_close(*rows)


@dtypes
@repeats
@pytest.mark.parametrize('heads, width, outputs', [(1, 64, 40), (3, 37, 2), (2, 16, 150)])
def test_outputs_are_predicted_as_by_the_twin(
    kernels, draw, dtype, repeats, heads, width, outputs
):
    values, bias = draw(heads, 8, width, of=dtype), bias_of(draw, heads, repeats, width)
    matrices, offsets = draw(heads, width, outputs), draw(heads, 1, outputs)
    rows = [torch.full((heads, 20, outputs), 7.0, device=DEVICE) for _ in range(2)]

    kernels.predict(values.clone(), bias, matrices, offsets, rows[0], INDEX)

    plain_steps.predict(values, bias, matrices, offsets, rows[1], INDEX)
    assert_close(*rows)


def test_a_pixel_that_is_no_number_spoils_no_other(kernels, draw):
    values, rows = draw(1, 8, 37), torch.zeros(1, 20, 37, device=DEVICE)
    shown = torch.zeros(1, 20, 5, device=DEVICE)
    values[0, 3, 7] = torch.nan

    kernels.relu_store(values.clone(), None, rows, INDEX)
    kernels.predict(values.clone(), None, draw(1, 37, 5), draw(1, 1, 5), shown, INDEX)

    assert rows.isnan().nonzero().tolist() == [[0, 10, 7]]
    assert shown.isnan().any(dim=2)[0].nonzero().tolist() == [[10]]
