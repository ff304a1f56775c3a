"""Running the real command."""

from functools import partial
import os
from pathlib import Path
import subprocess
import sys

import pytest

ROOT = Path(__file__).resolve().parents[3]

BLOCKER = """
from importlib.machinery import PathFinder
import sys


class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.split('.')[0] == {module!r}:
            return None
        return PathFinder.find_spec(name, path, target)


sys.meta_path[sys.meta_path.index(PathFinder)] = Without
"""


@pytest.fixture(scope='session')
def command_in():
    """Return a function that runs ``mtshare`` in a folder, without some module."""

    def run(folder, *arguments, without=None):
        # more threads than one only make tiny networks wait for cores
        environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'COLUMNS': '100',
                       'OMP_NUM_THREADS': '1'}
        if without is not None:
            blocker = folder / 'blocker'
            blocker.mkdir()
            (blocker / 'sitecustomize.py').write_text(BLOCKER.format(module=without))
            environment['PYTHONPATH'] = f'{blocker}{os.pathsep}{ROOT}'
        return subprocess.run(
            [sys.executable, '-m', 'mtshare_ros.cli.main', *map(str, arguments)],
            cwd=folder, env=environment, capture_output=True, text=True, timeout=180)

    return run


@pytest.fixture
def command(command_in, tmp_path):
    """Return a function that runs ``mtshare`` in an empty folder, without some module."""
    return partial(command_in, tmp_path)
