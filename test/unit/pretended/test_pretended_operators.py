"""The pretended CUDA device refuses what a GPU refuses, and counts what a GPU would be asked."""

from pretended_cuda import MisuseError, pretended_cuda
import pytest
import torch


def on_gpu(*shape, dtype=torch.float32):
    return torch.arange(torch.Size(shape).numel(), device='cuda:0').view(shape).to(dtype)


def kinds(device):
    return [wait.kind for wait in device.synchronisations]


def test_a_tensor_says_where_it_lies_and_keeps_its_numbers(device):
    tensor = on_gpu(2, 3)

    assert tensor.device == torch.device('cuda', 0) and tensor.is_cuda
    assert torch.equal((tensor * 2).cpu(), torch.tensor([[0., 2., 4.], [6., 8., 10.]]))


@pytest.mark.parametrize('mistake', [
    lambda tensor: tensor + torch.ones(4),
    lambda tensor: tensor.index_select(0, torch.tensor([0])),
    lambda tensor: tensor.index_copy_(0, torch.arange(4), tensor.clone()),
    lambda tensor: torch.cat([tensor, torch.ones(1)]),
    lambda tensor: tensor.gather(0, torch.tensor(0)),
    lambda tensor: torch.ones(4).add_(tensor),
    lambda tensor: torch.nn.functional.linear(tensor, torch.ones(4, 4)),
])
def test_operands_on_two_devices_raise(device, mistake):
    with pytest.raises(RuntimeError, match='Expected all tensors to be on the same device'):
        mistake(on_gpu(4))


@pytest.mark.parametrize('value', [torch.zeros(2, dtype=torch.uint8), torch.zeros(2)])
def test_halves_written_into_another_type_raise(device, value):
    target = value.to('cuda')

    with pytest.raises(RuntimeError, match='dtype'):
        target.index_copy_(0, on_gpu(2, dtype=torch.int64), on_gpu(2, dtype=torch.float16))


def test_a_number_on_the_cpu_is_an_argument_of_a_kernel(device):
    assert (on_gpu(2) + torch.tensor(1.0)).tolist() == [1, 2]


@pytest.mark.parametrize('wait, kind', [
    (lambda tensor: tensor[0].item(), 'item'),
    (lambda tensor: bool((tensor > 1).any()), 'bool()'),
    (lambda tensor: tensor.tolist(), 'tolist'),
    (lambda tensor: torch.nonzero(tensor), 'nonzero'),
    (lambda tensor: torch.where(tensor > 1), 'nonzero'),
    (lambda tensor: tensor[tensor > 1], 'boolean mask'),
    (lambda tensor: tensor.cpu(), 'D2H'),
    (lambda tensor: tensor.copy_(torch.zeros(4)), 'H2D'),
    (lambda tensor: torch.tensor([1, 2], device='cuda'), 'H2D'),
    (lambda tensor: tensor[torch.tensor([0])], 'H2D operand of index'),
    (lambda tensor: torch.cuda.synchronize(), 'torch.cuda.synchronize'),
])
def test_what_makes_the_host_wait_is_logged_with_its_line(device, wait, kind):
    tensor = on_gpu(4)
    device.clear()

    wait(tensor)

    assert kinds(device) == [kind]
    assert 'test_pretended_operators.py:' in device.synchronisations[0].line


def test_work_on_the_device_alone_makes_nobody_wait(device):
    tensor = on_gpu(4)
    tensor[1:3] = 0
    tensor[tensor > 2] = 1.0
    torch.where(tensor > 1, tensor, 0.0).cumsum(0).index_select(0, torch.arange(2, device='cuda'))

    assert device.synchronisations == []


def test_launches_are_counted_and_views_are_free(device):
    tensor = on_gpu(4, 4)
    device.clear()

    (tensor.t()[0].view(2, 2) + 1).relu()

    assert device.launches == 2
    assert device.launches_by_operator == {'add': 1, 'relu': 1}


def test_cuda_is_gone_afterwards():
    with pretended_cuda():
        assert torch.cuda.is_available()

    assert not torch.cuda.is_available()
    with pytest.raises((AssertionError, RuntimeError)):
        torch.zeros(1, device='cuda')


@pytest.mark.parametrize('write', [
    lambda target, index, values: target.index_copy_(0, index, values),
    lambda target, index, values: target.index_put_((index,), values),
    lambda target, index, values: target.scatter_(0, index, values),
])
def test_two_values_for_one_place_have_to_be_equal(device, write):
    index = torch.tensor([3, 1, 1], device='cuda')

    write(on_gpu(4), index, torch.tensor([5.0, 7.0, 7.0], device='cuda'))
    with pytest.raises(MisuseError, match='different values to one place'):
        write(on_gpu(4), index, torch.tensor([5.0, 7.0, 6.0], device='cuda'))


def test_values_that_are_added_up_may_differ(device):
    index = torch.tensor([1, 1], device='cuda')

    assert on_gpu(2).index_put_((index,), on_gpu(2), accumulate=True).tolist() == [0, 2]
    assert on_gpu(2).index_add_(0, index, on_gpu(2)).tolist() == [0, 2]


def test_tensors_that_share_memory_have_one_address(device):
    tensor = on_gpu(4)

    assert tensor.view(2, 2).data_ptr() == tensor.data_ptr() != tensor.clone().data_ptr()
