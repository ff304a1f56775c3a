"""Being told to stop."""

import os
import signal

import pytest

from mtshare_ros.cli.output import StopRequest


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_noted_without_an_exception(number):
    with StopRequest() as stop:
        assert not stop.requested
        os.kill(os.getpid(), number)
    assert stop.requested


def test_the_former_handlers_come_back():
    before = signal.getsignal(signal.SIGINT)
    with StopRequest():
        assert signal.getsignal(signal.SIGINT) != before
    assert signal.getsignal(signal.SIGINT) == before
