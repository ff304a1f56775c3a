"""
One test that hangs ends its process, so that the run ends red and names it.

The stacks of all threads are printed first. The watch of faulthandler needs neither the main
thread nor Python's lock, so it also ends a test that waits inside rclpy or another C++ library;
an exception raised from a signal handler would not.
"""

import faulthandler
import os
import sys

import pytest

_STDERR = pytest.StashKey()


def pytest_addoption(parser):
    # Longer than any test takes on a slow, busy machine, and than a wait inside one (waiting.py).
    parser.addini('hung_after', 'seconds after which a test counts as hung', default='1800')


def pytest_configure(config):
    # pytest captures standard error during the tests.
    config.stash[_STDERR] = os.dup(sys.__stderr__.fileno())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    faulthandler.dump_traceback_later(
        float(item.config.getini('hung_after')), exit=True, file=item.config.stash[_STDERR])
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


def pytest_enter_pdb():
    faulthandler.cancel_dump_traceback_later()
