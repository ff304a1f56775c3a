"""Trying a frame again after the device ran out of memory."""

from typing import Callable, TypeVar

import torch

Result = TypeVar('Result')

# torch names the CPU's case in the text of a RuntimeError only.
_CPU_TEXT = "can't allocate memory"


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that the device, or the machine, has no memory left."""
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and _CPU_TEXT in str(error)


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
    shortage.__traceback__ = None
    free_memory(shortage)
    return action()
