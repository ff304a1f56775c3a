"""The hub between the open pages and ROS: messages to pages, and requests from them."""

import asyncio
from dataclasses import dataclass
import json
from typing import Any, Awaitable, Callable, Protocol

from mtshare_ros.nodes.dashboard.channels import Channel, describe_channels
from mtshare_ros.nodes.dashboard.page_requests import (
    parse_request,
    Request,
    Reset,
    Seen,
    SetParameter,
    Watch,
)

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
    The messages that wait to be sent to one page; used in the web thread only.

    Of each kind of message only the newest waits. Of each channel at most one picture is on its
    way; the next one is sent when the page has shown it. So a slow connection or browser gets
    fewer pictures, but not older ones, and the memory is bounded.
    """

    def __init__(self) -> None:
        self.channels: frozenset[int] = frozenset()
        self._waiting: dict[str, Message] = {}
        self._wake = asyncio.Event()
        self._under_way: set[int] = set()
        self._last_serial: dict[int, int] = {}

    def tell(self, kind: str, message: Message) -> None:
        """Send a message, in place of one of its kind that still waits."""
        self._waiting[kind] = message
        self._wake.set()

    def watch(self, channels: frozenset[int]) -> None:
        """Send pictures of these channels from now on; those of others are no longer expected."""
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
        """Note that the page has shown the last picture of a channel."""
        self._under_way.discard(channel)

    async def send_all(self, send: Callable[[Message], Awaitable[None]]) -> None:
        """Send what waits, one message after the other, until cancelled."""
        while True:
            await self._wake.wait()
            # Before sending: a message that comes meanwhile sets it again.
            self._wake.clear()
            while self._waiting:
                await send(self._waiting.pop(next(iter(self._waiting))))


MOST_PAGES = 16

Reply = Callable[[str], None]


class Backend(Protocol):
    """
    What pages can request from ROS; callable from the web thread.

    A reply is called once, in any thread, with the reason why the request failed, or ''.
    """

    def watch(self, channels: frozenset[int]) -> None:
        """Send pictures of these channels from now on, and of no others."""

    def set_parameter(self, name: str, value: Any, reply: Reply) -> None:
        """Set a parameter of the perception node."""

    def reset(self, camera: str, reply: Reply) -> None:
        """Make the perception node forget what it remembers of a camera."""


class Hub:
    """
    The open pages; used in the web thread, in which ``post`` runs functions of other threads.

    The last message of each kind is also sent to every page that opens later.
    """

    def __init__(
        self, channels: tuple[Channel, ...], post: Callable[[Callable[[], None]], None]
    ) -> None:
        self._channels = channels
        self._backend: Backend  # set by connect: the backend itself needs the hub to be made
        self._post = post
        self._pages: list[OpenPage] = []
        self._told = {'hello': _encode('hello', describe_channels(channels))}
        self._newest: dict[int, Picture] = {}
        self._serial = 0

    def connect(self, backend: Backend) -> None:
        """Set what carries out the requests of pages, before the first page opens."""
        self._backend = backend

    @property
    def is_full(self) -> bool:
        """Whether no further page may open."""
        return len(self._pages) >= MOST_PAGES

    def open(self) -> OpenPage:
        """Add a page and send it the last message of each kind."""
        page = OpenPage()
        self._pages.append(page)
        for kind, message in self._told.items():
            page.tell(kind, message)
        return page

    def close(self, page: OpenPage) -> None:
        """Remove a page."""
        if page in self._pages:
            self._pages.remove(page)
            self._watch_what_pages_watch()

    def tell(self, kind: str, values: dict[str, Any], *, key: str = '') -> None:
        """Send a message to every page, now and later; ``key`` distinguishes those of one kind."""
        message = _encode(kind, values)
        self._told[kind + key] = message
        for page in self._pages:
            page.tell(kind + key, message)

    def show(self, channel: int, jpeg: bytes) -> None:
        """Offer a picture to the pages that watch its channel."""
        self._serial += 1
        picture = Picture(channel, self._serial, jpeg)
        self._newest[channel] = picture
        for page in self._pages:
            page.offer(picture)

    def receive(self, page: OpenPage, text: str | bytes) -> None:
        """Carry out a request of a page; raise RequestError for an invalid one."""
        self._handle(page, parse_request(text, self._channels))

    def _handle(self, page: OpenPage, request: Request) -> None:
        if isinstance(request, Watch):
            page.watch(request.channels)
            self._watch_what_pages_watch()
        elif isinstance(request, Seen):
            page.seen(request.channel)
            if request.channel in self._newest:
                page.offer(self._newest[request.channel])
        elif isinstance(request, SetParameter):
            reply = self._reply(page, 'answer', request.name)
            self._backend.set_parameter(request.name, request.value, reply)
        elif isinstance(request, Reset):
            self._backend.reset(
                request.camera, self._reply(page, 'reset_answer', request.camera))

    def _watch_what_pages_watch(self) -> None:
        wanted = frozenset().union(*(page.channels for page in self._pages))
        # Drop pictures that no page watches: the next page must not begin with an old one.
        self._newest = {number: self._newest[number] for number in self._newest if
                        number in wanted}
        self._backend.watch(wanted)

    def _reply(self, page: OpenPage, kind: str, name: str) -> Reply:
        def reply(problem: str) -> None:
            message = _encode(kind, {'name': name, 'problem': problem})
            self._post(lambda: page.tell(f'{kind} {name}', message))

        return reply


def _encode(kind: str, values: dict[str, Any]) -> str:
    return json.dumps({'kind': kind, **values}, separators=(',', ':'))


class Audience:
    """The hub as the executor's thread uses it: ``post`` runs functions in the hub's thread."""

    def __init__(self, hub: Hub, post: Callable[[Callable[[], None]], None]) -> None:
        self._hub = hub
        self._post = post

    def tell(self, kind: str, values: dict[str, Any]) -> None:
        """Send a message to all pages, in place of the last one of its kind."""
        self._post(lambda: self._hub.tell(kind, values))

    def tell_parameters(self, parameters: list[dict[str, Any]]) -> None:
        """Send all parameters to all pages."""
        self.tell('parameters', {'parameters': parameters})

    def tell_legend(self, channel: int, classes: list[dict[str, Any]]) -> None:
        """Send the classes in the picture of a channel to all pages."""
        values = {'channel': channel, 'classes': classes}
        self._post(lambda: self._hub.tell('legend', values, key=f' {channel}'))

    def show(self, channel: int, jpeg: bytes) -> None:
        """Send a picture to the pages that watch its channel."""
        self._post(lambda: self._hub.show(channel, jpeg))
