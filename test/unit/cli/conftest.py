"""Running the real command."""

from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import partial
from io import StringIO
import os
from pathlib import Path
import subprocess
import sys

import pytest
from waiting import PATIENCE_S

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


@dataclass(frozen=True)
class Done:
    """What a command left behind, under the names of ``subprocess``."""

    returncode: int
    stdout: str
    stderr: str


def run_here(folder, arguments):
    """Run ``mtshare`` in this process, which has the libraries loaded."""
    from mtshare_ros.cli.app import app

    output, errors = StringIO(), StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(output), redirect_stderr(errors):
        patch.chdir(folder)
        patch.setenv('COLUMNS', '100')
        with pytest.raises(SystemExit) as end:
            app(arguments, prog_name='mtshare')
    return Done(end.value.code or 0, output.getvalue(), errors.getvalue())


def run_without(module, folder, arguments):
    """Run ``mtshare`` in a process of its own, which does not find a module."""
    blocker = folder / 'blocker'
    blocker.mkdir()
    (blocker / 'sitecustomize.py').write_text(BLOCKER.format(module=module))
    # more threads than one only make tiny networks wait for cores
    environment = {**os.environ, 'PYTHONPATH': f'{blocker}{os.pathsep}{ROOT}', 'COLUMNS': '100',
                   'OMP_NUM_THREADS': '1'}
    return subprocess.run([sys.executable, '-m', 'mtshare_ros.cli.main', *arguments], cwd=folder,
                          env=environment, capture_output=True, text=True, timeout=PATIENCE_S)


@pytest.fixture(scope='session')
def command_in():
    """Return a function that runs ``mtshare`` in a folder, without some module."""
    def run(folder, *arguments, without=None):
        words = [str(argument) for argument in arguments]
        return run_without(without, folder, words) if without else run_here(folder, words)

    return run


@pytest.fixture
def command(command_in, tmp_path):
    """Return a function that runs ``mtshare`` in an empty folder, without some module."""
    return partial(command_in, tmp_path)
