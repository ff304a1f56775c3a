"""Who may talk to the dashboard, asked over HTTP as a browser or a stranger would."""

import asyncio
import json

import pytest

pytest.importorskip('tornado', reason='the dashboard needs the extra [dashboard]')
pytest.importorskip('rclpy', reason='the settings of the dashboard are parameters of a node')

from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest  # noqa: E402
from tornado.websocket import websocket_connect  # noqa: E402
from waiting import PATIENCE_S  # noqa: E402

from mtshare_ros.errors import ConfigError  # noqa: E402
from mtshare_ros.nodes.dashboard.channels import list_channels  # noqa: E402
from mtshare_ros.nodes.dashboard.handlers import (  # noqa: E402
    grant_access,
    is_loopback,
    make_application,  # noqa: E402
)
from mtshare_ros.nodes.dashboard.hub import Hub  # noqa: E402
from mtshare_ros.nodes.dashboard.parameter_table import (  # noqa: E402
    DASHBOARD_PARAMETERS,
    dashboard_settings,
)
from mtshare_ros.nodes.dashboard.web_server import WebServer  # noqa: E402

TOKEN = 'a-token-of-enough-characters'


class Backend:
    """Stands for the side of ROS and notes what it is asked for."""

    def __init__(self):
        self.asked = []

    def watch(self, channels):
        self.asked.append(('watch', channels))

    def set_parameter(self, name, value, reply):
        self.asked.append(('set', name, value))
        reply('')

    def reset(self, camera, reply):
        self.asked.append(('reset', camera))
        reply('the node is not active')


class Site:
    """A running server and what can be asked of it."""

    def __init__(self, **values):
        access = grant_access(settings(**values))
        self.backend = Backend()
        self.server = WebServer('127.0.0.1', 0)
        hub = Hub(list_channels('/robot', ['']), self.server.post)
        hub.connect(self.backend)
        self.server.start(make_application(access, hub))
        self.host = f'127.0.0.1:{self.server.port}'

    def get(self, path, **headers):
        """Return the response to a GET, refused or not; redirections are not followed."""
        async def fetch():
            request = HTTPRequest(f'http://{self.host}{path}', follow_redirects=False,
                                  headers=headers)
            return await AsyncHTTPClient(force_instance=True).fetch(request, raise_error=False)
        return asyncio.run(fetch())

    def talk(self, *requests, count=1, **headers):
        """Open a socket, send requests, and return what comes; None is the end of the socket."""
        async def converse():
            request = HTTPRequest(f'ws://{self.host}/socket', headers=headers)
            socket = await websocket_connect(request)
            for item in requests:
                await socket.write_message(item)
            messages = []
            while len(messages) < count and None not in messages:
                messages.append(await socket.read_message())
            return messages, socket.close_code
        return asyncio.run(asyncio.wait_for(converse(), PATIENCE_S))


def settings(**values):
    return dashboard_settings({**DASHBOARD_PARAMETERS.defaults(), **values})


@pytest.fixture
def site():
    made = Site()
    yield made
    made.server.close()


@pytest.fixture
def guarded_site():
    made = Site(token=TOKEN)
    yield made
    made.server.close()


def test_the_page_comes_with_headers_that_forbid_other_origins(site):
    response = site.get('/')

    assert response.code == 200 and b'Perception' in response.body
    policy = response.headers['Content-Security-Policy']
    assert "default-src 'none'" in policy and 'unsafe' not in policy and 'http' not in policy
    assert response.headers['X-Frame-Options'] == 'DENY'


@pytest.mark.parametrize('name', ['page.css', 'main.js', 'icon.svg'])
def test_the_files_of_the_page_are_there(site, name):
    assert site.get(f'/{name}').code == 200


@pytest.mark.parametrize('path', [
    '/../handlers.py', '/%2e%2e/handlers.py', '/..%2fhandlers.py', '//etc/passwd', '/page/main.js',
    '/index.html/../../access.py', '/main.js%00',
])
def test_nothing_else_is_given_out(site, path):
    response = site.get(path)

    assert response.code in (400, 404) and b'import' not in response.body


@pytest.mark.parametrize('host', ['evil.example', 'evil.example:8080', '127.0.0.1.evil.example'])
def test_another_name_for_this_machine_is_refused(site, host):
    response = site.get('/', Host=host)

    assert response.code == 403 and b'is reached as localhost' in response.body
    with pytest.raises(HTTPClientError, match='403'):
        site.talk(Host=host)


@pytest.mark.parametrize('host', ['localhost:9000', '127.0.0.1', '[::1]:8080', 'LOCALHOST'])
def test_the_names_of_this_machine_are_taken_with_any_port(site, host):
    assert site.get('/', Host=host).code == 200


@pytest.mark.parametrize('origin', ['http://evil.example', 'http://localhost:1', 'null'])
def test_a_socket_from_a_page_of_another_origin_is_refused(site, origin):
    with pytest.raises(HTTPClientError, match='403'):
        site.talk(Origin=origin)


def test_a_socket_from_the_own_page_is_taken(site):
    messages, _ = site.talk(Origin=f'http://{site.host}')

    assert json.loads(messages[0])['kind'] == 'hello'


@pytest.mark.parametrize('method', ['POST', 'PUT', 'DELETE'])
def test_no_other_method_does_anything(site, method):
    async def fetch():
        request = HTTPRequest(f'http://{site.host}/', method=method, body='x' if method != 'DELETE'
                              else None, allow_nonstandard_methods=True)
        return await AsyncHTTPClient(force_instance=True).fetch(request, raise_error=False)

    assert asyncio.run(fetch()).code == 405


@pytest.mark.parametrize('request_text', [
    'x', '[]', '{"kind":"launch"}', '{"kind":"watch","channels":[99]}',
    '{"kind":"watch","channels":[true]}', '{"kind":"set","name":"a","value":{}}',
    '{"kind":"set","name":1,"value":1}', '{"kind":"reset","camera":"other"}',
    '{"kind":"seen","channel":-1}', '{"kind":"set","name":"' + 'a' * 300 + '","value":1}',
    pytest.param('[' * 2000, id='deeply nested'),
    pytest.param('\U0001d54f' * 100, id='four bytes a character'),
])
def test_a_page_that_makes_no_sense_is_closed(site, request_text):
    messages, code = site.talk(request_text, count=2)

    assert messages[-1] is None and code == 1008
    assert not [asked for asked in site.backend.asked if asked[0] != 'watch']


def test_a_message_beyond_all_measure_ends_the_socket(site):
    messages, _ = site.talk('{"kind":"reset","camera":"' + 'a' * 10_000 + '"}', count=2)

    assert messages[-1] is None
    assert not [asked for asked in site.backend.asked if asked[0] != 'watch']


def test_the_answer_to_a_request_comes_back(site):
    messages, _ = site.talk('{"kind":"reset","camera":""}', count=2)

    assert json.loads(messages[1]) == {
        'kind': 'reset_answer', 'name': '', 'problem': 'the node is not active'}


@pytest.mark.parametrize('path', ['/', '/main.js', '/?token=wrong', '/?token='])
def test_without_the_token_nothing_is_given_out(guarded_site, path):
    response = guarded_site.get(path)

    assert response.code == 403 and b'token is missing or wrong' in response.body
    assert 'Set-Cookie' not in response.headers


@pytest.mark.parametrize('cookie', ['', 'wrong', TOKEN[:-1], TOKEN + 'x'])
def test_a_socket_without_the_token_is_refused(guarded_site, cookie):
    port = guarded_site.server.port

    with pytest.raises(HTTPClientError, match='403'):
        guarded_site.talk(Cookie=f'mtshare_token_{port}={cookie}')


def test_the_token_in_the_address_becomes_a_cookie_that_opens_everything(guarded_site):
    response = guarded_site.get(f'/?token={TOKEN}')
    cookie = response.headers['Set-Cookie']

    assert response.code == 302 and response.headers['Location'] == '/'
    assert 'HttpOnly' in cookie and 'SameSite=Lax' in cookie
    assert guarded_site.get('/main.js', Cookie=cookie.split(';')[0]).code == 200
    messages, _ = guarded_site.talk(Cookie=cookie.split(';')[0])
    assert json.loads(messages[0])['kind'] == 'hello'


@pytest.mark.parametrize('address, expected', [
    ('127.0.0.1', True), ('127.1.2.3', True), ('::1', True), ('localhost', True),
    ('0.0.0.0', False), ('::', False), ('192.168.1.5', False), ('robot.local', False),
])
def test_only_this_machine_needs_no_token(address, expected):
    access = grant_access(settings(address=address))

    assert is_loopback(address) is expected
    assert bool(access.token) is not expected and bool(access.hosts) is expected


def test_a_token_that_is_made_up_is_never_the_same():
    tokens = {grant_access(settings(address='0.0.0.0')).token for _ in range(5)}

    assert len(tokens) == 5 and min(map(len, tokens)) >= 32


@pytest.mark.parametrize('token', ['short', 'with space in the middle', 'sixteen-chars-ü!'])
def test_a_weak_or_odd_token_is_refused(token):
    assert 'parameter token' in DASHBOARD_PARAMETERS['token'].problem(token)


def test_a_port_in_use_is_named_with_what_to_do(site):
    with pytest.raises(ConfigError, match=f'port {site.server.port} on 127.0.0.1 is in use.*set '
                                          'the parameter port'):
        WebServer('127.0.0.1', site.server.port)


def test_an_address_of_another_machine_is_named():
    with pytest.raises(ConfigError, match="cannot listen on address '203.0.113.9'"):
        WebServer('203.0.113.9', 0)


def test_the_end_of_the_server_ends_its_thread_and_frees_the_port(site):
    port = site.server.port
    site.get('/')

    site.server.close()

    WebServer('127.0.0.1', port).close()
