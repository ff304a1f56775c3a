"""The memory of a pretended GPU fills up, runs out, and is free again."""

from pretended_cuda import pretended_cuda
import pytest
import torch

MEGABYTE = 2**20


def test_memory_is_held_while_a_tensor_or_a_view_of_it_lives():
    with pretended_cuda():
        image = torch.zeros(MEGABYTE, dtype=torch.uint8, device='cuda')
        part = image[:10]
        before = torch.cuda.memory_allocated()
        del image
        held = torch.cuda.memory_allocated()
        del part

        assert before == held == MEGABYTE and torch.cuda.memory_allocated() == 0
        assert torch.cuda.memory_reserved() == torch.cuda.max_memory_allocated() == MEGABYTE
        torch.cuda.empty_cache()
        free, total = torch.cuda.mem_get_info()
        assert torch.cuda.memory_reserved() == 0 and free == total


@pytest.mark.parametrize('jetson, error, text', [
    (False, torch.cuda.OutOfMemoryError, 'CUDA out of memory. Tried to allocate 1.00 MiB'),
    (True, RuntimeError, 'NVML_SUCCESS == r INTERNAL ASSERT FAILED')])
def test_memory_runs_out_as_on_the_machine(jetson, error, text):
    with pretended_cuda(jetson=jetson):
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(1.5 * MEGABYTE / total)
        held = torch.zeros(MEGABYTE, dtype=torch.uint8, device='cuda')

        with pytest.raises(error, match=text):
            held + 1
        del held
        torch.zeros(MEGABYTE, dtype=torch.uint8, device='cuda')


def test_fresh_memory_holds_garbage():
    with pretended_cuda():
        assert torch.empty(2, device='cuda').isnan().all().item()
        with pytest.raises(IndexError):
            torch.zeros(4, device='cuda')[torch.empty(1, dtype=torch.int64, device='cuda')]


def test_a_tensor_that_a_cache_kept_is_of_use_to_the_next_machine():
    with pretended_cuda():
        table = torch.arange(2, device='cuda')

    with pretended_cuda() as device:
        assert (table + 1).tolist() == [1, 2]
        assert len(device.synchronisations) == 1
