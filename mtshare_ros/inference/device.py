"""The device that a model runs on, and the arithmetic that it computes in."""

from contextlib import AbstractContextManager, contextmanager, ExitStack, nullcontext
from dataclasses import dataclass
import re
import threading
from typing import Any, Callable, Iterable, Iterator, NamedTuple

import torch

from mtshare_ros.errors import ConfigError, DeviceError

PRECISIONS = {'fp32': torch.float32, 'bf16': torch.bfloat16, 'fp16': torch.float16}

# without ASCII, \d would also match the digits of other scripts
_CUDA = re.compile(r'cuda(?::(0|[1-9]\d*))?', re.ASCII)

# Only PyTorch's own allocator raises OutOfMemoryError. The CPU's, the libraries of CUDA and the
# driver of a Jetson, where not even NVML tells how much is left, raise a RuntimeError.
_OUT_OF_MEMORY = (
    'out of memory', "can't allocate memory", 'Cannot allocate memory', 'bad_alloc',
    'CUBLAS_STATUS_ALLOC_FAILED', 'CUDNN_STATUS_ALLOC_FAILED', 'CUSOLVER_STATUS_ALLOC_FAILED',
    'CUSPARSE_STATUS_INSUFFICIENT_RESOURCES', 'NVML_SUCCESS', 'NvMapMemAlloc',
    'cudaErrorMemoryAllocation',
)


@dataclass(frozen=True)
class DeviceChoice:
    """A device, and what the user should know about the choice."""

    name: str
    notices: tuple[str, ...] = ()


def cuda_device_count() -> int:
    """Return how many CUDA devices PyTorch can use; 0 without CUDA."""
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def resolve_device(requested: str, *, cuda_devices: int) -> DeviceChoice:
    """
    Return the device for ``auto``, ``cpu``, ``cuda`` or ``cuda:N``, N counted from 0.

    ``auto`` falls back to the CPU with a notice. ``cuda`` without CUDA, and an N that does not
    exist, raise DeviceError; any other word raises ConfigError.
    """
    if requested == 'cpu':
        return DeviceChoice('cpu')
    if requested == 'auto':
        if cuda_devices:
            return DeviceChoice('cuda')
        return DeviceChoice('cpu', (
            'device is auto and PyTorch finds no CUDA device: running on the CPU, more slowly',))
    named = _CUDA.fullmatch(requested)
    if named is None:
        raise ConfigError(f'device is {requested!r}; allowed are auto, cpu, cuda and cuda:N')
    if not cuda_devices:
        raise DeviceError(
            f'device is {requested!r}, but PyTorch finds no CUDA device; install a CUDA build of '
            'PyTorch and its driver, or set device to cpu or auto'
        )
    if int(named.group(1) or 0) >= cuda_devices:
        there = ', '.join(f'cuda:{number}' for number in range(cuda_devices))
        raise DeviceError(
            f'device is {requested!r}, which does not exist: PyTorch finds {there} '
            f'(CUDA_VISIBLE_DEVICES can hide others); set device to one of them, or to auto'
        )
    return DeviceChoice(requested)


@contextmanager
def explained_faults(device: str) -> Iterator[None]:
    """Raise DeviceError, with what to do, where a device cannot run a network."""
    with explained_shortage(device):
        try:
            yield
        except RuntimeError as error:
            # explained_shortage handles the first; the second is no fault of the device
            if is_out_of_memory(error) or 'CUDA' not in str(error):
                raise
            raise _fault(device, error, 'PyTorch, its CUDA build and the driver must fit the GPU'
                         ) from error


@contextmanager
def explained_shortage(device: str) -> Iterator[None]:
    """Raise DeviceError, with what to do, where a device runs out of memory."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise _fault(device, error, 'free memory of other programs, or take a smaller input_size '
                     'or model') from error


def _fault(device: str, error: BaseException, advice: str) -> DeviceError:
    return DeviceError(f'the network cannot be computed on device {device}: {error}; {advice}')


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that the device, or the machine, has no memory left."""
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return True
    # explained_shortage has replaced the error, and keeps it as the cause
    if isinstance(error, DeviceError) and error.__cause__ is not None:
        return is_out_of_memory(error.__cause__)
    return isinstance(error, RuntimeError) and any(
        text in str(error) for text in _OUT_OF_MEMORY)


def free_cached_memory() -> None:
    """
    Return freed memory that PyTorch keeps to the system: the GPU's, and the host's pinned memory.

    On a Jetson the two are the same memory.
    """
    torch.cuda.empty_cache()
    accelerator: Any = getattr(torch, 'accelerator', None)  # since PyTorch 2.6
    empty = getattr(getattr(accelerator, 'memory', None), 'empty_host_cache', None)
    if empty is not None and accelerator.is_available():
        empty()


def resolve_precision(requested: str, device: str) -> torch.dtype:
    """
    Return the arithmetic for ``auto``, ``fp32``, ``bf16`` or ``fp16``; else raise ConfigError.

    ``auto`` is fp16 on CUDA, in which every Jetson is fast, and fp32 on the CPU.
    """
    if requested == 'auto':
        return torch.float16 if device.startswith('cuda') else torch.float32
    if requested not in PRECISIONS or (requested == 'fp16' and device == 'cpu'):
        raise ConfigError(
            f'precision is {requested!r} on {device}; allowed are auto, fp32, bf16 '
            'and, on CUDA, fp16'
        )
    return PRECISIONS[requested]


def autocast(device: str, dtype: torch.dtype) -> AbstractContextManager:
    """Return the context in which a network on a device computes in ``dtype``."""
    if dtype == torch.float32:
        return nullcontext()
    # it takes a type of device, without a number
    return torch.autocast(device.split(':')[0], dtype)


@contextmanager
def computing_on(device: str) -> Iterator[None]:
    """
    Make ``device`` the current one, and compute in the precision that was asked for.

    The current device of a thread is GPU 0 by default. Graphs, events and waits that name no
    device would use it, and take half a gigabyte of its memory. The CPU needs neither.
    """
    with ExitStack() as stack:
        if device.startswith('cuda'):
            stack.enter_context(torch.cuda.device(device))
            stack.enter_context(EXACT.held())
        yield


class Switch(NamedTuple):
    """An attribute of PyTorch, and the value that it should have."""

    owner: Any
    name: str
    value: Any


class Switches:
    """
    Switches of the whole process, held at some values while any thread needs them.

    Threads overlap: the first one stores the previous values, the last one restores them.
    """

    def __init__(self, choose: Callable[[], tuple[Switch, ...]]) -> None:
        self._choose = choose
        self._lock = threading.Lock()
        self._holders = 0
        self._found: list[Switch] = []

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the switches at their values."""
        with self._lock:
            if self._holders == 0:
                switches = self._choose()
                self._found = [switch._replace(value=getattr(switch.owner, switch.name))
                               for switch in switches]
                _set(switches)
            self._holders += 1
        try:
            yield
        finally:
            with self._lock:
                self._holders -= 1
                if self._holders == 0:
                    _set(self._found)


def _set(switches: Iterable[Switch]) -> None:
    for owner, name, value in switches:
        setattr(owner, name, value)


def exact_switches() -> tuple[Switch, ...]:
    """
    Return the switches that keep products in the precision that was asked for.

    By default, convolutions in float32 are rounded to TF32 (10 bits) while products of matrices
    are not: a whole frame and the same frame computed by tokens would differ by 3e-4. Sums of
    half-precision products may be kept in half precision, which is less accurate and overflows.
    """
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    sums = (Switch(matmul, 'allow_fp16_reduced_precision_reduction', False),
            Switch(matmul, 'allow_bf16_reduced_precision_reduction', False))
    rounding: tuple[Switch, ...] = (
        Switch(matmul, 'allow_tf32', False), Switch(cudnn, 'allow_tf32', False))
    try:
        for switch in rounding:
            getattr(switch.owner, switch.name)
    except RuntimeError:  # other code in this process has set them by their newer names
        rounding = tuple(Switch(owner, 'fp32_precision', 'ieee')
                         for owner in (matmul, cudnn.conv, cudnn.rnn))
    return (*rounding, *sums)


EXACT = Switches(exact_switches)
