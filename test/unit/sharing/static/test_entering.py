"""The kernels before the first block and between blocks give what their plain twins give."""

from close import assert_close, DEVICE
import pytest
import torch

from mtshare_ros.sharing.static import plain_steps
from mtshare_ros.sharing.static.plain_steps import Norm
from mtshare_ros.sharing.static.static_stem import transmitted_table

DTYPES = [torch.float32, torch.float16, torch.bfloat16]
WIDTHS = [36, 192]
TOKENS = 13

dtypes = pytest.mark.parametrize('dtype', DTYPES)
widths = pytest.mark.parametrize('width', WIDTHS)


@pytest.fixture
def draw():
    generator = torch.Generator().manual_seed(0)

    def random(*shape, of=torch.float32):
        return torch.randn(*shape, generator=generator).to(DEVICE, of)
    return random


def listed(*items):
    return torch.tensor(items, device=DEVICE)


@dtypes
@widths
@pytest.mark.parametrize('placed', [True, False])
def test_what_enters_and_how_urgent_it_is_are_those_of_the_twin(
    kernels, draw, width, dtype, placed
):
    tokens = draw(7, width, of=dtype)
    position, reference = draw(2, TOKENS, width)
    reference[3], tokens[4] = torch.inf, torch.nan
    index = listed(0, 3, 4, 7, 9, 12, 12)
    forced = listed(0, 0, 1, 0, 0, 1, 1).bool()
    given = tokens, position if placed else None, index, reference, forced

    values, scores = kernels.enter(*given)

    expected = plain_steps.enter(*given)
    finite = [0, 1, 2, 3, 5, 6]
    assert_close(values[finite], expected[0][finite])
    assert values[4].isnan().all()
    assert scores[[2, 5]].tolist() == [plain_steps.FORCED] * 2
    assert scores[6] == plain_steps.REPEATED
    assert scores[1].isinf() and scores[4].isnan()
    assert_close(scores[[0, 3]], expected[1][[0, 3]])


@dtypes
@widths
@pytest.mark.parametrize('chosen', [True, False])
@pytest.mark.parametrize('prefix', [0, 3])
@pytest.mark.parametrize('norms', [(), (1,), (4, 1)], ids=['one', 'a row', 'of encoders'])
def test_the_rows_of_the_first_block_are_those_of_the_twin(
    kernels, draw, width, dtype, chosen, prefix, norms
):
    values, after = draw(6, width), draw(prefix, width)
    values[5] = values[4]
    norm = Norm(*draw(2, *(norms if len(norms) > 1 else ()), width), 1e-6)
    references = [torch.full((10, width), 7.0, device=DEVICE) for _ in range(2)]
    rest = after, torch.arange(10, 10 + prefix, device=DEVICE), norm, dtype
    patches, places = listed(0, 3, 4, 7, 9, 9), listed(4, 5, 1, 2) if chosen else None

    found = kernels.take(values, patches, places, references[0], *rest)

    expected = plain_steps.take(values, patches, places, references[1], *rest)
    assert torch.equal(found[0], expected[0])
    for ours, twin in zip((*found[1:], references[0]), (*expected[1:], references[1])):
        assert_close(ours, twin)


@dtypes
@widths
@pytest.mark.parametrize('encoders, copies', [(1, 1), (1, 4), (4, 4)])
@pytest.mark.parametrize('alike', [True, False])
def test_what_heads_read_is_stored_as_by_the_twin(
    kernels, draw, width, dtype, encoders, copies, alike
):
    values = draw(encoders, 5, width)
    values[:, 4] = values[:, 3]
    shape = (width,) if alike or copies == 1 else (copies, 1, width)
    norm, index = Norm(draw(*shape), draw(*shape), 1e-6), listed(0, 3, 12, 6, 6)
    buffers = [torch.full((copies, TOKENS, 3 * width), 7.0, dtype=dtype, device=DEVICE)
               for _ in range(2)]
    columns = slice(width, 2 * width)

    kernels.norm_store(values, norm, buffers[0][..., columns], index)

    plain_steps.norm_store(values, norm, buffers[1][..., columns], index)
    assert_close(*buffers)


@dtypes
@pytest.mark.parametrize('side, block', [(8, 2), (1, 14), (1, 16)])
def test_patches_enter_the_reference_as_by_the_twin(kernels, draw, side, block, dtype):
    grid, size = (3, 4), side * block
    generator = torch.Generator().manual_seed(3)
    image = torch.randint(0, 256, (3 * size, 4 * size, 3), dtype=torch.uint8,
                          generator=generator).to(DEVICE)
    values = block ** 2 * 3
    shift, unit = draw(values, of=dtype), torch.full((1,), 1 / 64, dtype=dtype, device=DEVICE)
    references = [torch.full((12 * side ** 2 + 1, values), 7.0, dtype=dtype, device=DEVICE)
                  for _ in range(2)]
    table, transmitted = transmitted_table(grid, side, block).to(DEVICE), listed(0, 5, 7, 11, 11)

    kernels.take_patches(image, transmitted, table, shift, unit, references[0], side, block)

    plain_steps.take_patches(image, transmitted, table, shift, unit, references[1], side, block)
    assert_close(*references)
