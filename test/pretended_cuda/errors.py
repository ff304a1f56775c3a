"""The errors of CUDA, and of PyTorch about it, in their own words."""

import torch

CudaError = getattr(torch, 'AcceleratorError', RuntimeError)  # RuntimeError before PyTorch 2.8


class MisuseError(RuntimeError):
    """What a GPU would do without a word, and wrongly: a race, memory that is no longer there."""


def cuda_error(what: str, detail: str) -> RuntimeError:
    """Return what a call of CUDA raises, with what the pretended device knows about it."""
    text = f'CUDA error: {what} ({detail})'
    try:
        return CudaError(text, 1)
    except TypeError:
        return CudaError(text)


def not_while_capturing(kind: str, line: str) -> RuntimeError:
    """Return the error of a call that no capture can hold."""
    return cuda_error('operation not permitted when stream is capturing', f'{kind} at {line}')


def no_such_device(index: int, count: int) -> RuntimeError:
    """Return the error of a device that is not there."""
    return cuda_error('invalid device ordinal', f'cuda:{index} of {count} devices')


def out_of_memory(index: int, asked: int, used: int, limit: int) -> RuntimeError:
    """Return what the allocator raises."""
    return torch.OutOfMemoryError(
        f'CUDA out of memory. Tried to allocate {asked / 2**20:.2f} MiB. GPU {index} has a total '
        f'capacity of {limit / 2**20:.2f} MiB of which {(limit - used) / 2**20:.2f} MiB is free.')


def out_of_memory_on_jetson() -> RuntimeError:
    """Return what the allocator raises on a Jetson, which has no NVML (pytorch issue 185240)."""
    return RuntimeError('NVML_SUCCESS == r INTERNAL ASSERT FAILED at '
                        '"/opt/pytorch/pytorch/c10/cuda/CUDACachingAllocator.cpp":1131, '
                        'please report a bug to PyTorch. ')
