"""Images reach a GPU and maps leave it through pinned memory, with one wait for all of them."""

import gc

import numpy as np
from pretended_cuda import pretended_cuda
import pytest
import torch

from mtshare_ros.inference.static.graphs import Download, Upload

CPU, CUDA = torch.device('cpu'), torch.device('cuda:0')


@pytest.fixture
def gpu():
    with pretended_cuda() as device:
        yield device


def image(seed=0, size=(6, 8)):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def maps_on(device):
    """Return maps as the engine keeps them: views of rows without their last one."""
    generator = torch.Generator().manual_seed(0)
    depth, normals = (torch.randn(49, count, generator=generator) for count in (1, 3))
    mask = torch.arange(49, dtype=torch.uint8)[:, None]
    return {'mask': mask.to(device)[:-1].view(6, 8), 'depth': depth.to(device)[:-1].view(6, 8),
            'normals': normals.to(device)[:-1].view(6, 8, 3),
            'flags': torch.tensor([3.0, float('nan')]).to(device)}


@pytest.mark.parametrize('device', [CPU, CUDA])
def test_what_is_launched_after_an_upload_sees_the_image(gpu, device):
    buffer, upload = torch.zeros(6, 8, 3, dtype=torch.uint8, device=device), Upload(device)
    seen = []
    for seed in range(3):
        upload.send(image(seed), buffer)
        seen.append(buffer.clone())

    for seed, copy in enumerate(seen):
        assert np.array_equal(copy.cpu().numpy(), image(seed))


def test_the_host_does_not_wait_for_an_upload(gpu):
    buffer, upload = torch.zeros(6, 8, 3, dtype=torch.uint8, device=CUDA), Upload(CUDA)
    gpu.clear()
    upload.send(image(), buffer)
    assert not gpu.synchronisations
    assert [(copy.kind, copy.nbytes) for copy in gpu.copies] == [('H2D', 144)]


@pytest.mark.parametrize('device', [CPU, CUDA])
def test_an_image_may_be_overwritten_when_it_was_sent(gpu, device):
    buffer, frame = torch.zeros(6, 8, 3, dtype=torch.uint8, device=device), image()
    Upload(device).send(frame, buffer)
    frame[:] = 0
    assert np.array_equal(buffer.cpu().numpy(), image())


@pytest.mark.parametrize('device', [CPU, CUDA])
def test_an_image_of_any_strides_can_be_sent(gpu, device):
    buffer, upload = torch.zeros(6, 8, 3, dtype=torch.uint8, device=device), Upload(device)
    wide = image(size=(12, 8))
    wide.flags.writeable = False
    upload.send(wide[::2, ::-1], buffer)
    assert np.array_equal(buffer.cpu().numpy(), wide[::2, ::-1])


@pytest.mark.parametrize('device', [CPU, CUDA])
def test_maps_arrive_as_they_are(gpu, device):
    tensors = maps_on(device)

    found = Download(device).fetch(tensors)

    assert list(found) == list(tensors)
    for name, expected in maps_on(CPU).items():
        assert found[name].dtype == expected.numpy().dtype
        assert np.array_equal(found[name], expected.numpy(), equal_nan=name == 'flags')


def test_one_wait_brings_all_maps(gpu):
    tensors, download = maps_on(CUDA), Download(CUDA)
    gpu.clear()

    download.fetch(tensors)

    assert len(gpu.synchronisations) == 1
    assert {copy.kind for copy in gpu.copies} == {'D2H'}
    assert len(gpu.copies) == len(tensors)


@pytest.mark.parametrize('device', [CPU, CUDA])
def test_arrays_belong_to_the_caller(gpu, device):
    tensors, download = maps_on(device), Download(device)
    first = download.fetch(tensors)
    for tensor in tensors.values():
        tensor.fill_(7)
    download.fetch(tensors)
    del tensors, download
    gc.collect()

    for name, expected in maps_on(CPU).items():
        assert first[name].flags.writeable
        assert np.array_equal(first[name], expected.numpy(), equal_nan=name == 'flags')


def test_the_next_frame_may_overwrite_the_maps_at_once(gpu):
    tensors, download, upload = maps_on(CUDA), Download(CUDA), Upload(CUDA)
    found = []
    for number in range(3):
        upload.send(np.full((6, 8), number, np.float32), tensors['depth'])
        found.append(download.fetch(tensors)['depth'])

    assert [array.max() for array in found] == [0, 1, 2]


def test_memory_of_other_devices_stays_untouched():
    with pretended_cuda(devices=2) as gpus:
        with torch.cuda.device(1):
            device = torch.device('cuda:1')
            buffer = torch.zeros(6, 8, 3, dtype=torch.uint8, device=device)
            Upload(device).send(image(), buffer)
            found = Download(device).fetch({'image': buffer})
        assert gpus.touched == {1}
    assert np.array_equal(found['image'], image())
