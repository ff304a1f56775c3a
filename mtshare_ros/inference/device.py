"""Which device and arithmetic a model runs in."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch

from mtshare_ros.errors import ConfigError, DeviceError

PRECISIONS = {'fp32': torch.float32, 'bf16': torch.bfloat16, 'fp16': torch.float16}


@dataclass(frozen=True)
class DeviceChoice:
    """A device, and what the user should be told about how it was chosen."""

    name: str
    notices: tuple[str, ...] = ()


def resolve_device(requested: str, *, cuda_available: bool) -> DeviceChoice:
    """
    Return the device for ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    ``auto`` falls back to the CPU with a notice; ``cuda`` without CUDA raises DeviceError, any
    other word ConfigError.
    """
    if requested == 'cpu':
        return DeviceChoice('cpu')
    if requested == 'auto':
        if cuda_available:
            return DeviceChoice('cuda')
        return DeviceChoice('cpu', (
            'device is auto and PyTorch finds no CUDA device: running on the CPU, more slowly',))
    if requested.split(':')[0] != 'cuda':
        raise ConfigError(f'device is {requested!r}; allowed are auto, cpu, cuda and cuda:N')
    if not cuda_available:
        raise DeviceError(
            f'device is {requested!r}, but PyTorch finds no CUDA device; install a CUDA build of '
            'PyTorch and its driver, or set device to cpu or auto'
        )
    return DeviceChoice(requested)


def resolve_precision(requested: str, device: str) -> torch.dtype:
    """
    Return the arithmetic for ``auto``, ``fp32``, ``bf16`` or ``fp16``; else raise ConfigError.

    ``auto`` is fp16 on CUDA, which every Jetson is fast in, and fp32 on the CPU.
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
    return torch.autocast(device.split(':')[0], dtype)
