"""Fixtures of the tests of lists of fixed lengths."""

from types import SimpleNamespace

import pytest

from mtshare_ros.sharing.static.operators import KERNELS, operators_of


@pytest.fixture
def kernels():
    """Return the operators as CUDA runs them, by the interpreter of Triton where there is none."""
    pytest.importorskip('triton', reason='the kernels need Triton')
    return operators_of(SimpleNamespace(**KERNELS))
