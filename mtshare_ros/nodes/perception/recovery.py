"""Trying a frame again after the device ran out of memory."""

from typing import Callable, TypeVar

from mtshare_ros.inference.device import is_out_of_memory

Result = TypeVar('Result')


def run_with_retry(
    action: Callable[[], Result], free_memory: Callable[[Exception], None]
) -> Result:
    """Return what an action returns; where memory runs out, free some and try once more."""
    try:
        return action()
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        shortage = error
    # Outside the handler: the traceback of the error keeps the tensors of the failed try alive.
    _forget_where(shortage)
    free_memory(shortage)
    return action()


def _forget_where(error: BaseException | None) -> None:
    """Drop the tracebacks of an error and of all that led to it, which stay with it."""
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__
