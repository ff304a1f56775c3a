"""The one thread that computes, so that the executor always answers."""

import threading
from typing import Callable, Generic, Hashable, TypeVar

from mtshare_ros.nodes.mailbox import Mailbox

Item = TypeVar('Item')


class Worker(Generic[Item]):
    """
    Handles the newest item of each sender, one at a time, in a thread of its own.

    ``handle`` does the work; ``fail`` is told of the item and the exception it raised, after which
    the next item is taken as if nothing had happened.
    """

    def __init__(
        self, handle: Callable[[Item], None], fail: Callable[[Item, Exception], None], name: str,
        sender: Callable[[Item], Hashable] = lambda _: None,
    ) -> None:
        self._handle = handle
        self._fail = fail
        self._mailbox: Mailbox[Item] = Mailbox(sender)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def offer(self, item: Item) -> bool:
        """Leave an item to be handled; return whether it replaced an older one."""
        return self._mailbox.put(item)

    def stop(self, timeout_s: float) -> bool:
        """Finish the item at hand and end the thread; return whether it ended in time."""
        self._mailbox.close()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (item := self._mailbox.take()) is not None:
            try:
                self._handle(item)
            except Exception as error:  # noqa: B902
                self._fail(item, error)
