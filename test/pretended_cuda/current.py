"""The mode that is on, for tensors that meet an operator outside of it (in another thread)."""

from typing import Any

_modes: list[Any] = []


def enter(mode: Any) -> None:
    """Make a mode the current one."""
    _modes.append(mode)


def leave() -> None:
    """Return to the mode before."""
    _modes.pop()


def mode() -> Any:
    """Return the mode that is on; RuntimeError where none is."""
    if not _modes:
        raise RuntimeError('a pretended tensor was used outside of `with pretended_cuda()`')
    return _modes[-1]
