"""One open page as the server sees it: what is on its way there, never more than the newest."""

import asyncio
from dataclasses import dataclass
from typing import Awaitable, Callable

Message = str | bytes


@dataclass(frozen=True)
class Picture:
    """A JPEG of one channel; ``serial`` counts up with every picture of any channel."""

    channel: int
    serial: int
    jpeg: bytes

    def message(self) -> bytes:
        """Return the bytes that go to a page: the channel's number, then the JPEG."""
        return bytes([self.channel]) + self.jpeg


class OpenPage:
    """
    What waits to be sent to one page; lives in the web thread.

    Of each kind of message only the newest waits, and of each channel one picture at most is
    under way: the next one goes when the page has shown it. A slow connection or a slow browser
    gets fewer pictures, not older ones, and costs no memory.
    """

    def __init__(self) -> None:
        self.channels: frozenset[int] = frozenset()
        self._waiting: dict[str, Message] = {}
        self._wake = asyncio.Event()
        self._under_way: set[int] = set()
        self._last_serial: dict[int, int] = {}

    def tell(self, kind: str, message: Message) -> None:
        """Have a message sent, in place of one of its kind that still waits."""
        self._waiting[kind] = message
        self._wake.set()

    def watch(self, channels: frozenset[int]) -> None:
        """Send pictures of these channels from now on; nothing old counts as under way."""
        self.channels = channels
        self._under_way &= channels

    def offer(self, picture: Picture) -> None:
        """Send a picture if the page watches its channel and is ready for it."""
        channel = picture.channel
        is_old = picture.serial <= self._last_serial.get(channel, 0)
        if channel not in self.channels or channel in self._under_way or is_old:
            return
        self._under_way.add(channel)
        self._last_serial[channel] = picture.serial
        self.tell(f'picture {channel}', picture.message())

    def seen(self, channel: int) -> None:
        """Note that the page has shown the picture under way."""
        self._under_way.discard(channel)

    async def send_all(self, send: Callable[[Message], Awaitable[None]]) -> None:
        """Send what waits, one message after the other, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                await send(self._waiting.pop(next(iter(self._waiting))))
