"""Streams, events, pinned memory and several GPUs, pretended: who has to wait for whom."""

from pretended_cuda import MisuseError, pretended_cuda
import pytest
import torch


@pytest.fixture
def two_devices():
    with pretended_cuda(devices=2) as device:
        yield device


def kinds(device):
    return [wait.kind for wait in device.synchronisations]


@pytest.mark.parametrize('pinned, non_blocking, waited', [
    (True, True, []), (True, False, ['H2D']), (False, True, ['H2D']), (False, False, ['H2D'])])
def test_only_pinned_memory_goes_up_without_a_wait(device, pinned, non_blocking, waited):
    image = torch.ones(2, pin_memory=pinned)

    on_device = image.to('cuda', non_blocking=non_blocking)

    assert image.is_pinned() is pinned
    assert kinds(device) == waited and on_device.tolist() == [1, 1]


@pytest.mark.parametrize('wait, kind', [
    (lambda event: event.synchronize(), 'event.synchronize'),
    (lambda event: torch.cuda.current_stream().synchronize(), 'stream.synchronize'),
    (lambda event: torch.cuda.synchronize(), 'torch.cuda.synchronize'),
])
def test_maps_arrive_in_pinned_memory_when_the_host_has_waited(device, wait, kind):
    maps = torch.zeros(2).pin_memory()
    maps.copy_(torch.ones(2, device='cuda'), non_blocking=True)
    event = torch.cuda.Event()
    event.record()
    before, kinds_before = maps.tolist(), kinds(device)

    wait(event)

    assert (before, kinds_before) == ([0, 0], [])
    assert maps.numpy().tolist() == [1, 1] and kinds(device) == [kind]


def test_an_event_from_before_the_copy_does_not_wait_for_it(device):
    maps, event = torch.zeros(2).pin_memory(), torch.cuda.Event()
    event.record()
    maps.copy_(torch.ones(2, device='cuda'), non_blocking=True)

    event.synchronize()

    assert maps.tolist() == [0, 0]


def test_a_fresh_copy_on_the_host_is_pinned_and_holds_garbage_until_waited_for(device):
    maps = torch.ones(2, device='cuda').to('cpu', non_blocking=True)
    garbage = maps.isnan().all()
    torch.cuda.synchronize()

    assert maps.is_pinned() and garbage and maps.tolist() == [1, 1]


def test_an_event_that_is_asked_is_not_passed_at_first(device):
    maps, event = torch.zeros(1).pin_memory(), torch.cuda.Event()
    maps.copy_(torch.ones(1, device='cuda'), non_blocking=True)
    event.record()

    assert (event.query(), maps.item(), event.query()) == (False, 1, True)
    assert kinds(device) == []


def test_memory_is_still_pinned_by_its_array(device):
    array = torch.zeros(4).pin_memory().numpy()

    assert torch.from_numpy(array)[1:].is_pinned()
    assert not torch.zeros(4).is_pinned()


def test_a_pinned_buffer_that_is_filled_again_too_early_is_noticed(device):
    controls = torch.zeros(2).pin_memory()
    controls.to('cuda', non_blocking=True)
    controls.fill_(1)

    with pytest.raises(MisuseError, match='overwritten before its copy'):
        torch.cuda.synchronize()


def test_a_stream_that_does_not_wait_for_another_is_noticed(device):
    side, image = torch.cuda.Stream(), torch.zeros(2, device='cuda')

    with torch.cuda.stream(side), pytest.raises(MisuseError, match='writes on another stream'):
        image + 1
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        image + 1
    with pytest.raises(MisuseError, match='reads on another stream'):
        image.zero_()
    torch.cuda.current_stream().wait_stream(side)
    image.zero_()


def test_what_the_host_has_waited_for_is_known_to_every_stream(device):
    image = torch.zeros(2, device='cuda')
    torch.cuda.synchronize()

    with torch.cuda.stream(torch.cuda.Stream()):
        assert (image + 1).tolist() == [1, 1]


def test_memory_that_another_stream_still_uses_must_not_be_freed(device):
    side = torch.cuda.Stream()

    def use(record):
        image = torch.zeros(2, device='cuda')
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            image + 1
        if record:
            image.record_stream(side)

    use(record=True)
    torch.zeros(1, device='cuda')
    use(record=False)
    with pytest.raises(MisuseError, match='freed while another stream'):
        torch.zeros(1, device='cuda')


def test_time_passes_with_every_kernel_and_is_read_once_it_is_over(device):
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    torch.zeros(2, device='cuda').add_(1)
    end.record()

    with pytest.raises(RuntimeError, match='not ready'):
        start.elapsed_time(end)
    end.synchronize()
    assert start.elapsed_time(end) == pytest.approx(0.01)


def test_tensors_of_two_devices_do_not_mix(two_devices):
    first, second = (torch.ones(2, device=f'cuda:{index}') for index in range(2))

    with pytest.raises(RuntimeError, match='cuda:0 and cuda:1'):
        first + second
    assert (first + second.to('cuda:0')).tolist() == [2, 2]
    assert first.to('cuda:1').device == second.device
    assert second.copy_(first * 3).tolist() == [3, 3]


def test_a_device_that_is_not_there_is_an_error(two_devices):
    for wrong in (lambda: torch.zeros(1, device='cuda:7'), lambda: torch.cuda.set_device(7),
                  lambda: torch.cuda.synchronize('cuda:2'), lambda: torch.zeros(1).cuda(3)):
        with pytest.raises(RuntimeError, match='invalid device ordinal'):
            wrong()
    assert torch.cuda.device_count() == 2


def test_the_current_device_is_the_one_that_is_meant(two_devices):
    with torch.cuda.device('cuda:1'):
        assert torch.zeros(1, device='cuda').device.index == torch.cuda.current_device() == 1
        assert torch.zeros(1).cuda().device.index == 1
    assert torch.zeros(1, device='cuda').device.index == torch.cuda.current_device() == 0


def test_marks_on_the_wrong_device_measure_nothing(two_devices):
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    image = torch.zeros(2, device='cuda:1')

    start.record()
    image.add_(1)
    end.record()
    end.synchronize()

    assert start.elapsed_time(end) == 0
    assert two_devices.synchronisations[-1].device == 0 and two_devices.touched == {0, 1}


def test_an_event_belongs_to_one_device(two_devices):
    event = torch.cuda.Event(enable_timing=True)
    event.record(torch.cuda.current_stream('cuda:1'))

    with pytest.raises(RuntimeError, match='does not match'):
        event.record()


def test_work_on_one_device_touches_no_other(two_devices):
    with torch.cuda.device(1):
        torch.zeros(2, device='cuda').add_(1)
        torch.cuda.Event().record()
        torch.cuda.synchronize()

    assert two_devices.touched == {1}


def test_waiting_for_one_device_is_not_waiting_for_the_other(two_devices):
    maps = torch.zeros(2).pin_memory()
    maps.copy_(torch.ones(2, device='cuda:1'), non_blocking=True)

    torch.cuda.synchronize()
    before = maps.tolist()
    torch.cuda.synchronize(1)

    assert before == [0, 0] and maps.tolist() == [1, 1]


def test_a_stream_and_its_device_are_current_together(two_devices):
    with torch.cuda.stream(torch.cuda.Stream(device=1)) as _:
        assert torch.cuda.current_device() == 1
    assert torch.cuda.current_device() == 0
    assert torch.cuda.current_stream(1) == torch.cuda.default_stream(1)


def test_the_debug_mode_finds_what_waits_without_being_asked(device):
    tensor = torch.zeros(2, device='cuda')
    torch.cuda.set_sync_debug_mode('error')

    torch.cuda.synchronize()
    with pytest.raises(RuntimeError, match='synchronizing CUDA operation'):
        tensor.nonzero()
    torch.cuda.set_sync_debug_mode('warn')
    with pytest.warns(UserWarning, match='synchronizing CUDA operation'):
        tensor.sum().item()
