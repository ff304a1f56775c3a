"""Failures in a row are counted, and memory that does not come back ends in giving up."""

import weakref

import pytest
import torch

from mtshare_ros.errors import DeviceError
from mtshare_ros.inference.device import is_out_of_memory
from mtshare_ros.nodes.perception.frame_reports import ERROR_AFTER, FailureStreak, GIVE_UP_AFTER
from mtshare_ros.nodes.perception.pipeline import run_with_retry


def note(streak, error, times):
    for _ in range(times):
        streak.note(error)


def test_a_few_failures_in_a_row_are_accidents_and_more_an_error():
    streak = FailureStreak()

    note(streak, ValueError('broken'), ERROR_AFTER - 1)
    before = streak.error
    note(streak, ValueError('broken'), 1)

    assert before == '' and 'broken' in streak.error
    assert streak.hopeless == ''


def test_a_frame_that_is_published_ends_the_streak():
    streak = FailureStreak()
    note(streak, ValueError('broken'), ERROR_AFTER)

    streak.end()

    assert streak.error == ''


def test_memory_that_is_short_again_and_again_is_hopeless():
    streak = FailureStreak()

    note(streak, MemoryError('full'), GIVE_UP_AFTER - 1)
    before = streak.hopeless
    note(streak, MemoryError('full'), 1)
    streak.end()

    assert before == '' and 'full' in streak.hopeless


def test_another_failure_between_two_shortages_is_no_streak_of_shortages():
    streak = FailureStreak()

    note(streak, MemoryError('full'), GIVE_UP_AFTER - 1)
    note(streak, ValueError('other'), 1)
    note(streak, MemoryError('full'), 1)

    assert streak.hopeless == ''


@pytest.mark.parametrize(('error', 'expected'), [
    (torch.cuda.OutOfMemoryError('CUDA out of memory'), True),
    (MemoryError(), True),
    (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate"), True),
    (RuntimeError('CUDA error: out of memory'), True),
    (RuntimeError('CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`'),
     True),
    (RuntimeError('cuDNN error: CUDNN_STATUS_ALLOC_FAILED'), True),
    (RuntimeError('NVML_SUCCESS == r INTERNAL ASSERT FAILED at "CUDACachingAllocator.cpp":838, '
                  'please report a bug to PyTorch.'), True),
    (RuntimeError('NvMapMemAllocInternalTagged: 1075072515 error 12'), True),
    (RuntimeError('CUDA error: an illegal memory access was encountered'), False),
    (RuntimeError('cuDNN error: CUDNN_STATUS_EXECUTION_FAILED'), False),
    (RuntimeError('shapes cannot be multiplied'), False),
    (ValueError("can't allocate memory"), False),
])
def test_a_shortage_of_memory_is_told_from_other_errors(error, expected):
    assert is_out_of_memory(error) is expected


def test_the_allocator_of_the_cpu_says_what_is_looked_for():
    with pytest.raises(RuntimeError) as raised:
        torch.empty(1 << 60, dtype=torch.uint8)

    assert is_out_of_memory(raised.value)


def test_an_action_is_tried_again_once_after_freeing_memory():
    tries, freed = [], []

    def action():
        tries.append(len(freed))
        if not freed:
            raise MemoryError('full')
        return 'done'

    assert run_with_retry(action, freed.append) == 'done'
    assert tries == [0, 1] and str(freed[0]) == 'full'


def test_another_error_is_not_tried_again():
    def action():
        raise ValueError('broken')

    with pytest.raises(ValueError, match='broken'):
        run_with_retry(action, pytest.fail)


def test_what_led_to_a_shortage_lets_go_of_its_tensors_before_the_second_try():
    held = []

    def inner():
        buffer = torch.zeros(8)
        held.append(weakref.ref(buffer))
        raise RuntimeError('NVML_SUCCESS == r INTERNAL ASSERT FAILED')

    def action():
        if len(held) == 2:
            return 'done'
        try:
            inner()
        except RuntimeError as error:
            buffer = torch.zeros(8)
            held.append(weakref.ref(buffer))
            raise DeviceError('the network cannot be computed') from error

    def free(error):
        assert [reference() for reference in held] == [None, None]

    assert run_with_retry(action, free) == 'done'
