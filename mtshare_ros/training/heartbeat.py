"""Noticing that another process of a training, or its machine, is gone."""

from collections.abc import Callable
from datetime import timedelta
import re
from threading import Event, Thread
from time import sleep

import torch
from torch import distributed

SILENCE = timedelta(minutes=2)
"""How long a process may be silent: a machine without power or network closes no connection."""

_INTERVAL_S = 1.0
_GRACE_S = 5.0


class Heartbeat:
    """
    Lets all processes meet once a second, in a thread, while they compute or wait.

    Where one does not come, ``lost`` tells the reason; if this process does not end by itself soon
    after, as it waits for the other, ``end`` is called with the reason.
    """

    def __init__(self, count: int, end: Callable[[str], None]) -> None:
        self._count, self._end = count, end
        self._group = distributed.new_group(backend='gloo', timeout=SILENCE)
        self._finished, self._failed = Event(), Event()
        self._reason = ''
        self._thread = Thread(target=self._meet, name='heartbeat', daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Wait until all processes have called this."""
        self._finished.set()
        self._thread.join()

    def lost(self) -> str:
        """Return why a process is lost, '' where all are there; call it after an error."""
        return self._reason if self._failed.wait(_GRACE_S / 2) else ''

    def _meet(self) -> None:
        finished = 0
        while finished < self._count:
            self._finished.wait(_INTERVAL_S)
            votes = torch.tensor([int(self._finished.is_set())])
            try:
                distributed.all_reduce(votes, group=self._group)
            except RuntimeError as error:
                self._give_up(error)
                return
            finished = int(votes)

    def _give_up(self, error: RuntimeError) -> None:
        # without the place in the library's source, and without its advice to its developers
        cause = re.sub(r'^\[\S+\] |\.? This is typically.*', '', str(error), flags=re.DOTALL)
        self._reason = (
            f'another process of this training ended or cannot be reached ({cause}); its machine '
            'tells why. When all machines are there again, the same command goes on from the '
            'state that was saved last')
        self._failed.set()
        sleep(_GRACE_S)
        self._end(self._reason)
