"""The pretended CUDA graphs record, undo, and run again on the same memory, as real ones do."""

from functools import partial
import threading

from pretended_cuda import MisuseError, pretended_cuda
import pytest
import torch


@pytest.fixture
def device():
    with pretended_cuda() as device:
        yield device


def captured(work, **options):
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, **options):
        result = work()
    return graph, result


def on_gpu(*values):
    return torch.tensor(values, device='cuda')


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


def test_graphs_share_a_pool_and_an_earlier_one_may_spoil_what_a_later_one_made(device):
    pool, image = torch.cuda.graph_pool_handle(), on_gpu(1.0)
    first, _ = captured(lambda: (image + 1) * 2, pool=pool)
    second, result = captured(lambda: (image + 2) * 2, pool=pool)
    apart, kept = captured(lambda: (image + 2) * 2)

    second.replay()
    apart.replay()
    first.replay()

    assert first.pool() == second.pool() == pool != apart.pool()
    assert result.isnan().item() and kept.item() == 6


def test_the_stream_says_that_it_is_captured(device):
    inside, image = [], on_gpu(1.0)

    def work():
        inside.append(torch.cuda.is_current_stream_capturing())
        return image + 1

    captured(work)

    assert inside == [True] and not torch.cuda.is_current_stream_capturing()


def test_pinned_memory_is_read_and_written_at_every_replay(device):
    source, target = (torch.zeros(2).pin_memory() for _ in range(2))
    image = torch.zeros(2, device='cuda')

    def pass_on():
        image.copy_(source, non_blocking=True)
        target.copy_(image * 2, non_blocking=True)

    graph, _ = captured(pass_on)
    source.copy_(torch.tensor([1.0, 2.0]))
    graph.replay()
    before = target.tolist()
    torch.cuda.current_stream().synchronize()

    assert before == [0, 0] and target.tolist() == [2, 4]


def test_work_on_another_stream_is_captured_where_that_waits_for_the_captured_one(device):
    image, side = on_gpu(1.0), torch.cuda.Stream()

    def fork(join=True):
        main = torch.cuda.current_stream()
        side.wait_stream(main)
        with torch.cuda.stream(side):
            doubled = image * 2
        if join:
            main.wait_stream(side)
        return doubled

    graph, doubled = captured(fork)
    graph.replay()

    assert doubled.item() == 2
    with pytest.raises(RuntimeError, match='unjoined work'):
        captured(lambda: fork(join=False))
    with pytest.raises(RuntimeError, match='uncaptured work'):
        captured(lambda: torch.cuda.current_stream().wait_stream(side))


def test_a_graph_is_captured_once_and_not_on_the_default_stream(device):
    image = on_gpu(1.0)
    graph, _ = captured(lambda: image + 1)

    with pytest.raises(RuntimeError, match='already owns a captured graph'):
        graph.capture_begin()
    with pytest.raises(RuntimeError, match='non-default stream'):
        torch.cuda.CUDAGraph().capture_begin()


def test_a_custom_operator_is_one_node_of_a_graph(device):
    @torch.library.custom_op('pretended::twice_and_one', mutates_args=(), device_types='cpu')
    def twice_and_one(tensor: torch.Tensor) -> torch.Tensor:
        return tensor * 2 + 1

    image = on_gpu(1.0)
    graph, result = captured(lambda: twice_and_one(image))
    image.fill_(4)
    graph.replay()

    assert graph.kernels == 1 and result.item() == 9


def test_a_graph_of_another_device_than_its_stream_holds_nothing():
    with pretended_cuda(devices=2):
        first, second = torch.zeros(1, device='cuda:0'), torch.zeros(1, device='cuda:1')
        captured(lambda: first + 1)

        with torch.cuda.device(1), pytest.warns(UserWarning, match='Graph is empty'):
            captured(lambda: second + 1)
        with torch.cuda.device(1):
            graph, result = captured(lambda: second + 1, stream=torch.cuda.Stream())
            graph.replay()
            assert result.item() == 1


def test_graphs_keep_the_memory_that_they_need_at_most_until_they_are_gone(device):
    megabyte, pool = 2**20, torch.cuda.graph_pool_handle()
    image = torch.zeros(megabyte, dtype=torch.uint8, device='cuda')

    def work():
        return (image + 1)[:1] + (image + 2)[:1]

    graphs = [captured(work, pool=pool)[0] for _ in range(2)]
    torch.cuda.empty_cache()
    shared = torch.cuda.memory_reserved()
    graphs.append(captured(work)[0])
    apart = torch.cuda.memory_reserved()
    graphs.clear()
    torch.cuda.empty_cache()

    assert 2 * megabyte < shared < 3.1 * megabyte < 4 * megabyte < apart < 5.1 * megabyte
    assert torch.cuda.memory_reserved() == megabyte


def test_what_a_graph_made_may_be_let_go(device):
    image = on_gpu(1.0)
    graph, result = captured(lambda: image + 1)
    graph.replay()

    del result
    graph.replay()
    image + 1


@pytest.mark.parametrize('mode, allowed', [('thread_local', True), ('global', False)])
def test_another_thread_may_ask_for_memory_during_a_capture_where_the_mode_says_so(
    device, mode, allowed
):
    image, errors = on_gpu(1.0), []

    def allocate():
        with device.thread():
            try:
                torch.zeros(1000, device='cuda').sum().item()
            except RuntimeError as error:
                errors.append(str(error))

    def work():
        other = threading.Thread(target=allocate)
        other.start()
        other.join()
        return image + 1

    if allowed:
        graph, result = captured(work, capture_error_mode=mode)
        graph.replay()
        assert result.item() == 2 and not errors
    else:
        with pytest.raises(RuntimeError, match='previous error during capture'):
            captured(work, capture_error_mode=mode)
        assert 'cudaMalloc' in errors[0]
