"""Which port the dashboard of the demo gets."""

import socket

import pytest

pytest.importorskip('typer', reason='the command line needs the extra [cli]')
pytest.importorskip('tornado', reason='the dashboard needs the extra [dashboard]')

from mtshare_ros.cli import demo  # noqa: E402
from mtshare_ros.errors import MtshareError  # noqa: E402


@pytest.fixture
def taken(monkeypatch):
    """Take the first port that the demo would try, and return it."""
    with socket.create_server(('127.0.0.1', 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setattr(demo, '_PORTS', range(port, port + 1))
        yield port


def test_a_port_that_is_asked_for_is_taken_as_it_is(taken, capsys):
    assert demo.choose_port(taken) == taken
    assert f'http://127.0.0.1:{taken}/' in capsys.readouterr().out


def test_a_port_in_use_is_passed_over(taken, monkeypatch):
    monkeypatch.setattr(demo, '_PORTS', range(taken, taken + 20))

    assert taken < demo.choose_port(None) < taken + 20


def test_no_free_port_is_an_error_that_says_what_to_do(taken):
    with pytest.raises(MtshareError, match='--port.*--no-dashboard'):
        demo.choose_port(None)
