"""Memory, streams, operators and threads of the pretended CUDA graphs."""

import threading

from captured_work import captured, on_gpu
from pretended_cuda import pretended_cuda
import pytest
import torch


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
