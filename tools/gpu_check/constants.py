"""Measure launches, waits, copies and products on the device: the terms of every estimate."""

from typing import Callable

import torch

from gpu_check.check import captured, Check, milliseconds

_IMAGE, _MAPS = 480 * 640 * 3, 480 * 640 * 19
"""Bytes of an image of 480x640, and of the maps of four tasks."""

_ROWS = (75, 150, 300, 600, 1200, 4096)


def measure_constants(check: Check) -> None:
    """Record each constant."""
    _describe(check)
    for name, measure in (('launches', _launches), ('copies', _copies), ('memory', _memory),
                          ('products', _products)):
        with check.trying(name):
            measure(check)


def _describe(check: Check) -> None:
    properties = torch.cuda.get_device_properties(0)
    check.add('device', name=properties.name, torch=torch.__version__, cuda=torch.version.cuda,
              multiprocessors=properties.multi_processor_count,
              memory_mb=round(properties.total_memory / 1e6),
              capability=f'{properties.major}.{properties.minor}')


def _launches(check: Check) -> None:
    value, repeats = torch.zeros(1024, device=check.device), check.size(2000, 10)
    nodes = check.size(500, 5)

    def many() -> None:
        for _ in range(repeats):
            value.add_(1.0)

    def waiting() -> None:
        value.add_(1.0)
        torch.cuda.synchronize()

    launch = milliseconds(many, 1) * 1e3 / repeats
    replay = captured(lambda: value.add_(1.0), nodes)
    check.add('launch', us=launch)
    check.add('node', us=milliseconds(replay, check.size(50, 2)) * 1e3 / nodes)
    check.add('replay of one node', us=milliseconds(
        captured(lambda: value.add_(1.0)), repeats) * 1e3)
    check.add('wait', us=milliseconds(waiting, repeats) * 1e3 - launch)


def _copies(check: Check) -> None:
    for what, size in (('image', _IMAGE), ('maps', _MAPS)):
        on_device = torch.zeros(size, dtype=torch.uint8, device=check.device)
        for pinned in (False, True):
            on_host = torch.zeros(size, dtype=torch.uint8, pin_memory=pinned)
            ways: dict[str, Callable[[], object]] = {
                'up': lambda: on_device.copy_(on_host, non_blocking=True),  # noqa: B023
                'down': lambda: on_host.copy_(on_device, non_blocking=True),  # noqa: B023
            }
            for way, copy in ways.items():
                took = milliseconds(lambda: (copy(), torch.cuda.synchronize()),  # noqa: B023
                                    check.size(50, 2))
                check.add('copy', of=what, way=way, pinned=pinned, us=took * 1e3,
                          gb_s=size / took / 1e6)


def _memory(check: Check) -> None:
    source = torch.ones(check.size(2 ** 29, 2 ** 12), dtype=torch.uint8, device=check.device)
    target = torch.empty_like(source)
    took = milliseconds(lambda: target.copy_(source), check.size(20, 2))
    check.add('bandwidth', gb_s=2 * source.numel() / took / 1e6)


def _products(check: Check) -> None:
    width = check.size(768, 32)
    weights = torch.randn(width, 4 * width, device=check.device).half()
    for count in _ROWS[:check.size(len(_ROWS), 2)]:
        rows = torch.randn(count, width, device=check.device).half()
        replay = captured(lambda: rows @ weights, check.size(100, 2))  # noqa: B023
        took = milliseconds(replay, check.size(10, 1)) / check.size(100, 2)
        check.add('product', rows=count, us=took * 1e3,
                  tflops=2 * count * width * 4 * width / took / 1e9)
