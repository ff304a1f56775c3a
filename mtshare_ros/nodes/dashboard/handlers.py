"""Answers to browsers: access rules, the files of the page, and the socket to the hub."""

import asyncio
from dataclasses import dataclass
import hmac
from http import HTTPStatus
from importlib.resources import files
import ipaddress
import secrets

from tornado.web import Application, Finish, RequestHandler
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from mtshare_ros.nodes.dashboard.hub import Hub, Message, OpenPage
from mtshare_ros.nodes.dashboard.page_requests import LONGEST_REQUEST, RequestError
from mtshare_ros.nodes.dashboard.parameter_table import DashboardSettings

_NAMES_OF_THIS_MACHINE = ('localhost', '127.0.0.1', '::1')


@dataclass(frozen=True)
class Access:
    """
    What a request needs to be answered.

    ``hosts`` are the host names that a browser may use for this server; empty allows any. They
    keep out pages of other sites whose name was made to point here (DNS rebinding). ``token`` is
    empty where none is needed.
    """

    hosts: tuple[str, ...]
    token: str

    def refusal(self, host: str, token: str) -> str:
        """Return why a request with this host name and this token is refused, or an empty text."""
        if self.hosts and host.strip('[]').lower() not in self.hosts:
            return (f'this dashboard is reached as {" or ".join(self.hosts)}, not as {host!r}; '
                    'to use another name, set its parameter address')
        # Comparing takes equally long for every wrong token, so that guessing learns nothing.
        if self.token and not hmac.compare_digest(token.encode(), self.token.encode()):
            return ('the token is missing or wrong; open the address, token included, that the '
                    'dashboard wrote when it started')
        return ''


def grant_access(settings: DashboardSettings) -> Access:
    """
    Return the access rules for an address.

    On a loopback address the host name is checked. Any other address needs a token, which also
    keeps out other sites whatever name they use for this machine.
    """
    if is_loopback(settings.address):
        names = dict.fromkeys((*_NAMES_OF_THIS_MACHINE, settings.address.lower()))
        return Access(tuple(names), settings.token)
    return Access((), settings.token or secrets.token_urlsafe(24))


def is_loopback(address: str) -> bool:
    """Return whether only programs of this machine can reach the address."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address.lower() == 'localhost'


_TYPES = {
    '.html': 'text/html; charset=utf-8', '.css': 'text/css; charset=utf-8',
    '.js': 'text/javascript; charset=utf-8', '.svg': 'image/svg+xml',
}
_START = 'index.html'


@dataclass(frozen=True)
class PageFile:
    """One file as a browser gets it."""

    content: bytes
    content_type: str


def load_page_files() -> dict[str, PageFile]:
    """Return the files by the path in their address; the page itself is ``/``."""
    found = {}
    for file in files('mtshare_ros.nodes.dashboard').joinpath('page').iterdir():
        ending = file.name[file.name.rfind('.'):]
        if ending in _TYPES:
            path = '/' if file.name == _START else f'/{file.name}'
            found[path] = PageFile(file.read_bytes(), _TYPES[ending])
    return found


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
"""Headers of every answer; they forbid other origins, frames and inline scripts."""

_POLICY_VIOLATION = 1008
_TOO_MANY = 1013


@dataclass(frozen=True)
class Site:
    """What all requests share: access rules, the files of the page, and the hub."""

    access: Access
    files: dict[str, PageFile]
    hub: Hub


class GuardedHandler(RequestHandler):
    """Refuses every request that the access rules do not allow."""

    def initialize(self, *, site: Site) -> None:
        """Keep what the request needs."""
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
    """Sends the files of the page."""

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
        """Accept the page, unless too many are open."""
        if self.site.hub.is_full:
            self.close(_TOO_MANY, 'too many pages are open')
            return
        self.set_nodelay(True)
        self._page = self.site.hub.open()
        self._sending = asyncio.ensure_future(self._page.send_all(self._send))

    def on_message(self, message: str | bytes) -> None:
        """Pass a request on; close a page that sends an invalid one."""
        if self._page is None:
            return
        try:
            self.site.hub.receive(self._page, message)
        except RequestError as error:
            # A closing frame has room for 123 bytes of reason, of UTF-8.
            self.close(_POLICY_VIOLATION, str(error).encode()[:123].decode(errors='ignore'))

    def on_close(self) -> None:
        """Remove the page from the hub."""
        if self._sending is not None:
            self._sending.cancel()
        if self._page is not None:
            self.site.hub.close(self._page)

    async def _send(self, message: Message) -> None:
        """Send one message; return when the network has accepted it."""
        try:
            await self.write_message(message, binary=isinstance(message, bytes))
        except WebSocketClosedError:
            return  # on_close removes the page


def make_application(access: Access, hub: Hub) -> Application:
    """Return the application of the server."""
    options = {'site': Site(access, load_page_files(), hub)}
    return Application(
        [('/socket', SocketHandler, options), ('/.*', PageHandler, options)],
        websocket_ping_interval=10, websocket_max_message_size=LONGEST_REQUEST,
        log_function=lambda handler: None)
