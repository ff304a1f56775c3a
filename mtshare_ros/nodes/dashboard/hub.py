"""Between the open pages and ROS: what pages are told, and what they ask for."""

import json
from typing import Any, Callable, Protocol

from mtshare_ros.nodes.dashboard.channels import Channel, describe_channels
from mtshare_ros.nodes.dashboard.open_page import OpenPage, Picture
from mtshare_ros.nodes.dashboard.requests import (
    parse_request,
    Request,
    Reset,
    Seen,
    SetParameter,
    Watch,
)

MOST_PAGES = 16

Reply = Callable[[str], None]


class Backend(Protocol):
    """
    What a page can make happen on the side of ROS; callable from the web thread.

    A reply is called once, in any thread, with the reason why something was not done, or ''.
    """

    def watch(self, channels: frozenset[int]) -> None:
        """Deliver pictures of these channels from now on, and of no others."""

    def set_parameter(self, name: str, value: Any, reply: Reply) -> None:
        """Give a parameter of the perception node another value."""

    def reset(self, camera: str, reply: Reply) -> None:
        """Have the perception node forget what it remembers of a camera."""


class Hub:
    """
    The open pages; lives in the web thread, where ``post`` brings a function from any other.

    Whatever was told last of each kind is told to every page that opens later.
    """

    def __init__(
        self, channels: tuple[Channel, ...], post: Callable[[Callable[[], None]], None]
    ) -> None:
        self._channels = channels
        self._backend: Backend
        self._post = post
        self._pages: list[OpenPage] = []
        self._told = {'hello': _encode('hello', describe_channels(channels))}
        self._newest: dict[int, Picture] = {}
        self._serial = 0

    def connect(self, backend: Backend) -> None:
        """Take what does the pages' requests, before the first page opens."""
        self._backend = backend

    @property
    def is_full(self) -> bool:
        """Whether no further page may open."""
        return len(self._pages) >= MOST_PAGES

    def open(self) -> OpenPage:
        """Let in a page and tell it all there is to know."""
        page = OpenPage()
        self._pages.append(page)
        for kind, message in self._told.items():
            page.tell(kind, message)
        return page

    def close(self, page: OpenPage) -> None:
        """Let a page go."""
        if page in self._pages:
            self._pages.remove(page)
            self._watch_what_pages_watch()

    def tell(self, kind: str, values: dict[str, Any], *, key: str = '') -> None:
        """Tell every page, now and later; ``key`` tells messages of one kind apart."""
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
        """Do what a page asks for; raise RequestError where it makes no sense."""
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
        # A picture from before nobody looked must not greet the next page.
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
