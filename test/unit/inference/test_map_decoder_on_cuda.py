"""Maps that a GPU decodes, here a pretended one."""

import numpy as np
from pretended_cuda import pretended_cuda
import pytest
import torch

from mtshare_ros.inference import map_decoder as cell_decoding
from mtshare_ros.inference.map_decoder import MapDecoder
from mtshare_ros.tasks import channels_of, get_task, TASKS

GRID = (12, 24)


def decoded(task, device, spoilt=None):
    """
    Return the maps of a task after a dense frame and one by rows, decoded on a device.

    A value may be ``spoilt``.
    """
    generator = torch.Generator().manual_seed(0)
    shape = (1, channels_of(get_task(task), 40), GRID[0] * 4, GRID[1] * 4)
    first, second = (torch.randn(shape, generator=generator) for _ in range(2))
    if spoilt is not None:
        second[0, 0, 6:9, 30], second[0, :, 20, 20] = spoilt, spoilt
    decoder = MapDecoder(task, 4, 16)
    state = decoder.allocate(GRID, torch.device(device))
    decoder.dense(state, first.to(device))
    decoder.update(state, second.to(device), torch.arange(30, 250, 3).to(device))
    return decoder.maps(state)


@pytest.mark.parametrize('spoilt', [None, torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize('task', TASKS)
def test_they_equal_those_that_the_cpu_decodes(task, spoilt):
    expected = decoded(task, 'cpu', spoilt)
    with pretended_cuda():
        found = decoded(task, 'cuda:0', spoilt)

    for name, values in expected.items():
        close = 1.0 if values.dtype == np.uint8 else 1e-5
        near = np.isclose(found[name].astype(float), values.astype(float), rtol=1e-5, atol=close,
                          equal_nan=True)
        assert near.mean() > 0.9999, name


@pytest.mark.parametrize('device', ['cpu', 'cuda:0'])
def test_no_device_enlarges_all_patches_at_once(device, monkeypatch):
    sizes, decode_values = [], cell_decoding.decode_values

    def noting(values, encoding):
        sizes.append(values.numel() * values.element_size())
        return decode_values(values, encoding)

    monkeypatch.setattr(cell_decoding, 'decode_values', noting)
    with pretended_cuda():
        decoded('semseg', device)
    whole = GRID[0] * GRID[1] * 40 * 256 * 4
    assert max(sizes) < min(whole, 10e6)
