"""A run of the tests ends, whatever becomes of one of them."""

import os
from pathlib import Path
import re
import subprocess
import sys

import pytest
from waiting import PATIENCE_S

pytest.importorskip('xdist', reason='tests in several processes need the extra [test]')

ROOT = Path(__file__).resolve().parents[1]
GOOD = 'def test_one(): pass\ndef test_two(): pass\n'
CRASH = """
import os, signal, pytest

@pytest.fixture
def crashing():
    yield
    os.kill(os.getpid(), signal.SIGSEGV)

def test_before(): pass
def test_culprit(crashing): pass
"""
HANG = """
import time

def test_before(): pass
def test_culprit(): time.sleep(1000)
"""


def run_as_make_does(folder, culprit, *options):
    """Run eight files, the third of them bad, with the options of the Makefile."""
    for number in range(8):
        (folder / f'test_{number}.py').write_text(culprit if number == 2 else GOOD)
    (folder / 'pytest.ini').touch()
    makefile = (ROOT / 'Makefile').read_text().replace('\\\n', '').replace('$(WORKERS)', '2')
    words = re.search(r'^PYTEST = \S+ (.+)', makefile, re.MULTILINE)[1].split()
    return subprocess.run(
        [sys.executable, *words, '-p', 'time_limit', *options], cwd=folder, capture_output=True,
        text=True, timeout=PATIENCE_S, env={**os.environ, 'PYTHONPATH': str(ROOT / 'test')})


def test_a_process_that_crashes_ends_the_run_and_its_test_is_named(tmp_path):
    done = run_as_make_does(tmp_path, CRASH)

    assert done.returncode == 1, done.stdout
    assert re.search(r"crashed while running 'test_2.py::test_culprit'", done.stdout)
    assert 'Segmentation fault' in done.stderr


def test_a_test_that_hangs_ends_the_run_and_its_place_is_shown(tmp_path):
    done = run_as_make_does(tmp_path, HANG, '-o', 'hung_after=2')

    assert done.returncode == 1, done.stdout
    assert re.search(r"crashed while running 'test_2.py::test_culprit'", done.stdout)
    assert re.search(r'Timeout .*test_2.py", line 5 in test_culprit', done.stderr, re.DOTALL)
