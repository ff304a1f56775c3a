"""Giving memory back to the system when the node lets go of something large."""

import ctypes
import gc


def free_memory() -> None:
    """
    Free what nothing uses any more; takes some hundred milliseconds.

    Subscriptions and their callbacks refer to each other, and to the network and its memory of a
    camera. Python looks at such circles of old objects after hours, if ever, and the C library
    keeps what was freed in the heaps of single threads.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), 'malloc_trim', None)  # glibc has it
    if trim is not None:
        trim(0)
