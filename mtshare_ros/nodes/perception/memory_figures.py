"""How much memory the process and the network's device use."""

import os
from pathlib import Path

from mtshare_ros.inference.engine import Engine

_STATM = Path('/proc/self/statm')


def memory_figures(engine: Engine | None) -> dict[str, str]:
    """Return megabytes by name, as the diagnostics show them; what is unknown is empty."""
    device = engine.device_memory_mb() if engine is not None else None
    return {'memory_mb': _format(_resident_mb()), 'device_memory_mb': _format(device)}


def _resident_mb() -> float | None:
    if not _STATM.exists():  # not Linux
        return None
    pages = int(_STATM.read_text().split()[1])
    return pages * os.sysconf('SC_PAGE_SIZE') / 1e6


def _format(megabytes: float | None) -> str:
    return '' if megabytes is None else f'{megabytes:.1f}'
