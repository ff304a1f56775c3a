"""The pretended CUDA graphs record, undo, and run again on the same memory, as real ones do."""

from functools import partial

from captured_work import captured, on_gpu
from pretended_cuda import MisuseError
import pytest
import torch


def test_a_capture_runs_nothing_and_a_replay_runs_it_on_the_same_memory(device):
    count, image = on_gpu(0.0), on_gpu(1.0, 2.0)
    graph, doubled = captured(lambda: (count.add_(1), image * 2)[1])
    before = count.item(), doubled.isnan().all().item()

    image.copy_(on_gpu(3.0, 4.0))
    graph.replay()
    graph.replay()

    assert before == (0, True)
    assert doubled.tolist() == [6, 8] and count.item() == 2


def test_a_replay_is_one_launch_of_the_host_and_says_what_the_device_ran(device):
    image = on_gpu(1.0, 2.0)
    graph, _ = captured(lambda: (image * 2).view(2).relu().sum())
    device.clear()

    graph.replay()
    image + 1

    assert (device.launches, device.nodes, device.kernels) == (2, 3, 4)
    assert graph.kernels == 3 and graph.launches_by_operator == {'mul': 1, 'relu': 1, 'sum': 1}
    assert device.synchronisations == []


def test_a_number_of_python_is_baked_into_a_graph(device):
    image, factor = on_gpu(1.0), 2
    graph, scaled = captured(lambda: image * factor)

    factor = 3
    graph.replay()

    assert scaled.item() == 2


def test_a_number_in_a_buffer_is_read_at_every_replay(device):
    image, factor = on_gpu(1.0), on_gpu(2.0)
    graph, scaled = captured(lambda: image * factor)

    factor.fill_(3)
    graph.replay()

    assert scaled.item() == 3


@pytest.mark.parametrize('work', [
    lambda tensor: tensor[0].item(),
    lambda tensor: bool(tensor.any()),
    lambda tensor: tensor.nonzero(),
    lambda tensor: tensor[tensor > 0],
    lambda tensor: tensor.cpu(),
    lambda tensor: tensor.copy_(torch.zeros(2)),
    lambda tensor: torch.tensor([1.0], device='cuda'),
    lambda tensor: tensor[torch.tensor([0])],
    lambda tensor: tensor.index_put_((torch.zeros(1, dtype=torch.int64).cuda(),), on_gpu(1.0)),
    lambda tensor: torch.where(tensor > 0, tensor, torch.tensor(0.0)),
    lambda tensor: torch.cuda.synchronize(),
    lambda tensor: torch.cuda.current_stream().synchronize(),
    lambda tensor: torch.empty(2, pin_memory=True),
    lambda tensor: torch.zeros(2).pin_memory(),
    lambda tensor: tensor.to('cpu', non_blocking=True),
])
def test_what_would_make_the_host_wait_fails_in_a_capture(device, work):
    tensor = on_gpu(1.0, 2.0)

    with pytest.raises(RuntimeError, match='not permitted when stream is capturing'):
        captured(partial(work, tensor))


def test_a_number_written_through_an_index_waits_and_through_a_mask_does_not(device):
    tensor, index = on_gpu(1.0, 2.0), on_gpu(0)

    def write(where):
        tensor[where] = 0.0

    captured(lambda: write(tensor > 1))
    with pytest.raises(RuntimeError, match='not permitted when stream is capturing'):
        captured(lambda: write(index))


def test_a_failed_capture_leaves_the_data_and_the_graph_as_they_were(device):
    tensor, graph = on_gpu(1.0, 2.0), torch.cuda.CUDAGraph()

    with pytest.raises(RuntimeError), torch.cuda.graph(graph):
        tensor.zero_().tolist()

    assert tensor.tolist() == [1, 2]
    with pytest.raises(RuntimeError, match='without a preceding successful capture'):
        graph.replay()


def test_an_error_that_was_caught_inside_spoils_the_capture(device):
    tensor = on_gpu(1.0)

    def careless():
        try:
            tensor.item()
        except RuntimeError:
            pass

    with pytest.raises(RuntimeError, match='due to a previous error during capture'):
        captured(careless)


@pytest.mark.parametrize('read', [
    lambda image, table: image.index_select(0, table),
    lambda image, table: image + table.view(2)[:1],
    lambda image, table: table.fill_(0)])
def test_a_table_that_was_freed_since_the_capture_is_noticed(device, read):
    image, table = on_gpu(1.0, 2.0), on_gpu(1, 0)
    graph = captured(partial(read, image, table))[0]
    graph.replay()

    del table

    with pytest.raises(MisuseError, match='freed since the capture'):
        graph.replay()


def test_memory_that_a_view_still_holds_is_not_freed(device):
    image, table = on_gpu(1.0, 2.0), on_gpu(1, 0)
    graph, picked = captured(partial(image.index_select, 0, table))

    part = table[:1]
    del table
    graph.replay()

    assert picked.tolist() == [2, 1] and part.tolist() == [1]


def test_what_a_capture_made_is_garbage_until_the_replay(device):
    graph, made = captured(lambda: torch.arange(3, device='cuda'))

    with pytest.raises(IndexError):
        torch.zeros(3, device='cuda').index_select(0, made)
    graph.replay()

    assert made.tolist() == [0, 1, 2]
