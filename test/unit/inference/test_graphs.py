"""Work of fixed shapes as CUDA graphs, on the pretended device."""

from pretended_cuda import pretended_cuda
import pytest
import torch

from mtshare_ros.inference.static.graphs import Captured, GraphPool

CUDA = torch.device('cuda', 0)


def doubling(buffer: torch.Tensor):
    """Return work that doubles what is in a buffer."""
    return lambda: buffer.mul_(2).add_(0)


def test_work_is_run_once_then_captured_and_replayed_from_then_on():
    with pretended_cuda() as device:
        buffer = torch.ones(3, device=CUDA)
        work = Captured(doubling(buffer), GraphPool(CUDA))
        launches = []
        for _ in range(4):
            device.clear()
            work()
            launches.append(device.launches)

        assert buffer.tolist() == [16.0] * 3
        assert launches[0] == 2 and launches[2:] == [1, 1]
        assert work.is_graph


def test_a_graph_reads_what_its_buffers_hold_when_it_is_replayed():
    with pretended_cuda():
        source, target = torch.zeros(2, device=CUDA), torch.zeros(2, device=CUDA)
        work = Captured(lambda: target.copy_(source), GraphPool(CUDA))
        for number in range(4):
            source.fill_(number)
            work()
            assert target.tolist() == [number, number]


def test_work_that_waits_for_the_device_is_run_as_it_is_and_the_reason_kept():
    with pretended_cuda():
        buffer = torch.ones(1, device=CUDA)
        pool = GraphPool(CUDA)
        work = Captured(lambda: buffer.mul_(buffer.item() + 1), pool)
        for _ in range(3):
            work()

        assert buffer.tolist() == [42.0]
        assert 'capturing' in pool.fault and not pool.captures and not work.is_graph


def test_once_capturing_failed_no_other_work_of_the_camera_is_captured():
    with pretended_cuda():
        buffer, pool = torch.ones(1, device=CUDA), GraphPool(CUDA)
        pool.give_up('a driver says no')
        work = Captured(doubling(buffer), pool)
        for _ in range(3):
            work()

        assert not work.is_graph and buffer.tolist() == [8.0]


@pytest.mark.parametrize('enabled', [True, False])
def test_on_the_cpu_work_is_called_as_it_is(enabled):
    buffer = torch.ones(2)
    work = Captured(doubling(buffer), GraphPool(torch.device('cpu'), enabled=enabled))
    for _ in range(3):
        work()

    assert buffer.tolist() == [8.0, 8.0] and not work.is_graph
