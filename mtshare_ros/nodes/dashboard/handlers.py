"""The answers to browsers: the files of the page, and the socket between page and hub."""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus

from tornado.web import Application, Finish, RequestHandler
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from mtshare_ros.nodes.dashboard.access import Access
from mtshare_ros.nodes.dashboard.hub import Hub
from mtshare_ros.nodes.dashboard.open_page import Message, OpenPage
from mtshare_ros.nodes.dashboard.page_files import load_page_files, PageFile
from mtshare_ros.nodes.dashboard.requests import LONGEST_REQUEST, RequestError

HEADERS = {
    'Content-Security-Policy': (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
    'Cache-Control': 'no-store',
    'Server': 'mtshare_ros',
}
"""What every answer tells the browser to forbid: other origins, frames, inline scripts."""

_POLICY_VIOLATION = 1008
_TOO_MANY = 1013


@dataclass(frozen=True)
class Site:
    """What all requests are about: who may ask, the files of the page, the pages that are open."""

    access: Access
    files: dict[str, PageFile]
    hub: Hub


class GuardedHandler(RequestHandler):
    """Refuses a request that does not show what the access rules ask for, whatever it is for."""

    def initialize(self, *, site: Site) -> None:
        """Take what the request is about."""
        self.site = site

    def set_default_headers(self) -> None:
        """Send the headers with every answer, errors included."""
        for name, value in HEADERS.items():
            self.set_header(name, value)

    @property
    def cookie_name(self) -> str:
        """The name of the token's cookie: browsers share cookies between the ports of a host."""
        return 'mtshare_token_' + (self.request.host.rpartition(':')[2] or '80')

    def prepare(self) -> None:
        """End refused requests here."""
        token = self.get_cookie(self.cookie_name) or ''
        self.refuse(self.site.access.refusal(self.request.host_name, token))

    def refuse(self, reason: str) -> None:
        """End the request with a reason, unless that is empty."""
        if reason:
            self.end_with(HTTPStatus.FORBIDDEN, reason)

    def end_with(self, status: HTTPStatus, text: str) -> None:
        """End the request with a line of text."""
        self.set_status(status)
        self.set_header('Content-Type', 'text/plain; charset=utf-8')
        self.finish(f'{text}\n')
        raise Finish


class PageHandler(GuardedHandler):
    """Gives out the files of the page."""

    def prepare(self) -> None:
        """Turn a token in the address into a cookie, so that it does not stay in the history."""
        token = self.get_query_argument('token', '')
        if not token:
            super().prepare()
            return
        self.refuse(self.site.access.refusal(self.request.host_name, token))
        self.set_cookie(self.cookie_name, token, httponly=True, samesite='Lax')
        self.redirect('/')

    def get(self) -> None:
        """Return a file."""
        file = self.site.files.get(self.request.path)
        if file is None:
            self.end_with(HTTPStatus.NOT_FOUND, 'there is no such page; the dashboard is at /')
            return
        self.set_header('Content-Type', file.content_type)
        self.finish(file.content)


class SocketHandler(GuardedHandler, WebSocketHandler):
    """
    Carries messages between one page and the hub.

    tornado itself refuses a socket that a page of another origin opens.
    """

    _page: OpenPage | None = None
    _sending: asyncio.Task[None] | None = None

    def open(self, *args: str, **kwargs: str) -> None:
        """Let the page in, unless there are too many."""
        if self.site.hub.is_full:
            self.close(_TOO_MANY, 'too many pages are open')
            return
        self.set_nodelay(True)
        self._page = self.site.hub.open()
        self._sending = asyncio.ensure_future(self._page.send_all(self._send))

    def on_message(self, message: str | bytes) -> None:
        """Pass a request on; a page that makes no sense is closed."""
        if self._page is None:
            return
        try:
            self.site.hub.receive(self._page, message)
        except RequestError as error:
            self.close(_POLICY_VIOLATION, str(error)[:100])

    def on_close(self) -> None:
        """Let the page go."""
        if self._sending is not None:
            self._sending.cancel()
        if self._page is not None:
            self.site.hub.close(self._page)

    async def _send(self, message: Message) -> None:
        """Send one message; return when the network has taken it."""
        try:
            await self.write_message(message, binary=isinstance(message, bytes))
        except WebSocketClosedError:
            return


def make_application(access: Access, hub: Hub) -> Application:
    """Return what the server serves."""
    options = {'site': Site(access, load_page_files(), hub)}
    return Application(
        [('/socket', SocketHandler, options), ('/.*', PageHandler, options)],
        websocket_ping_interval=10, websocket_max_message_size=LONGEST_REQUEST,
        log_function=lambda handler: None)
