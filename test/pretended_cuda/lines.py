"""Which line of the code under test asked for something."""

import os
import sys
from types import FrameType

import torch

_SKIPPED = (os.path.dirname(torch.__file__), os.path.dirname(os.path.abspath(__file__)),
            os.path.dirname(os.__file__))
_PACKAGE = f'{os.sep}mtshare_ros{os.sep}'


def line() -> str:
    """Return the innermost line outside torch, as ``sharing/fast_block.py:129``."""
    return next(iter(_lines(sys._getframe(1), 1)), '')


def lines(count: int = 2) -> str:
    """Return the innermost lines outside torch, each followed by the one that called it."""
    return ' < '.join(_lines(sys._getframe(1), count))


def _lines(frame: FrameType | None, count: int) -> list[str]:
    found: list[str] = []
    while frame is not None and len(found) < count:
        path = frame.f_code.co_filename
        if not path.startswith(_SKIPPED) and path[0] != '<':
            found.append(f'{_short(path)}:{frame.f_lineno}')
        frame = frame.f_back
    return found


def _short(path: str) -> str:
    _, inside, rest = path.rpartition(_PACKAGE)
    return rest if inside else os.path.basename(path)
