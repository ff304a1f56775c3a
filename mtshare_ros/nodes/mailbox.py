"""One slot for each camera between the thread that receives and the thread that computes."""

import threading
from typing import Callable, Generic, Hashable, TypeVar

Item = TypeVar('Item')


class Mailbox(Generic[Item]):
    """
    A place for one item of each sender, where a newer one replaces what was not taken yet.

    No queue can grow. Senders are served in turn: who was replaced keeps its place in the line,
    so that a fast one cannot keep the others waiting.
    """

    def __init__(self, sender: Callable[[Item], Hashable] = lambda _: None) -> None:
        self._sender = sender
        self._condition = threading.Condition()
        self._items: dict[Hashable, Item] = {}
        self._closed = False

    def put(self, item: Item) -> bool:
        """Leave an item; return whether it replaced one of its sender that nobody took."""
        sender = self._sender(item)
        with self._condition:
            replaced = sender in self._items
            self._items[sender] = item
            self._condition.notify()
        return replaced

    def take(self) -> Item | None:
        """Wait for the item whose turn it is; None says that the mailbox is closed."""
        with self._condition:
            self._condition.wait_for(lambda: self._closed or bool(self._items))
            if self._closed:
                return None
            return self._items.pop(next(iter(self._items)))

    def close(self) -> None:
        """Throw away what is left and send whoever waits home."""
        with self._condition:
            self._closed = True
            self._items.clear()
            self._condition.notify_all()
