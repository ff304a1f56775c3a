"""``mtshare fleet`` over a large bag in an object store, which two workers read in place."""

from collections import deque
import filecmp
from itertools import cycle, islice
import os
from pathlib import Path
import re
import subprocess
import sys
import tempfile

import pytest

for module, extra in (('typer', 'cli'), ('rosbags', 'bags'), ('ray', 'fleet')):
    pytest.importorskip(module, reason=f'needs the extra [{extra}]')

from bag_files import camera_messages, storage_file, write_bag  # noqa: E402
import fsspec  # noqa: E402
import pyarrow.parquet as parquet  # noqa: E402
import torch  # noqa: E402
from typer.testing import CliRunner  # noqa: E402
from waiting import PATIENCE_S  # noqa: E402

from mtshare_ros.cli.app import app  # noqa: E402
from mtshare_ros.errors import MtshareError  # noqa: E402
from mtshare_ros.fleet import pool  # noqa: E402
from mtshare_ros.fleet.remote_bags import SMALLEST  # noqa: E402

ROOT = Path(__file__).resolve().parents[3]
SEGMENT, IMAGES = 20, 40
SIZE = {'height': 480, 'width': 640}
BLOCK = 2**21

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def drive(tmp_path_factory):
    """Return a bag that is just large enough to be read in place."""
    bag = write_bag(tmp_path_factory.mktemp('in') / 'drive', camera_messages(IMAGES, **SIZE))
    assert SMALLEST < storage_file(bag).stat().st_size < 1.2 * SMALLEST
    return bag


@pytest.fixture(scope='module')
def later_drive(tmp_path_factory):
    """Return a bag as long as that, which begins one image later."""
    messages = islice(camera_messages(IMAGES + 1, **SIZE), 3, None)
    return write_bag(tmp_path_factory.mktemp('in') / 'drive', messages)


def compute_alone(drive, model, folder):
    """Return what ``mtshare bag`` makes of a bag."""
    target = folder / 'drive'
    words = ('bag', drive, target, '--model', model, '--device', 'cpu', '--threads', 1,
             '--segment', SEGMENT)
    assert CliRunner().invoke(app, list(map(str, words))).exit_code == 0
    return target


@pytest.fixture(scope='module')
def alone(drive, tiny_model, tmp_path_factory):
    """Return what ``mtshare bag`` makes of the bag."""
    return compute_alone(drive, tiny_model, tmp_path_factory.mktemp('alone'))


class TurnsPool:
    """Stands for Ray: two workers in this process take turns, so each run has the same order."""

    workers, dashboard = 2, ''

    def __init__(self, team, make, say):
        torch.set_num_threads(team.threads)
        self._turns = cycle([make(lambda key, images: None) for _ in range(self.workers)])
        self._tasks = deque()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def submit(self, task):
        self._tasks.append(task)

    def finished(self, report):
        while self._tasks:
            task = self._tasks.popleft()
            try:
                done = pool.Done(
                    task, getattr(next(self._turns), task.method)(*task.arguments))
            except MtshareError as error:
                done = pool.Done(task, error=str(error))
            yield done


@pytest.fixture
def words(drive, s3, tiny_model, tmp_path):
    """Put the bag into a store, and return the command for it."""
    fsspec.filesystem('s3').put(str(drive), f'{s3}/in/drive', recursive=True)
    return list(map(str, (
        'fleet', f'{s3}/in', '--output', tmp_path / 'out', '--model', tiny_model, '--device',
        'cpu', '--workers', 2, '--segment', SEGMENT)))


@pytest.fixture
def scratch(tmp_path):
    """Return the folder for temporary files, in which no copies may be left."""
    folder = tmp_path / 'scratch'
    folder.mkdir()
    yield folder
    assert not list(folder.glob('mtshare_fleet_*'))


@pytest.fixture
def ray_fleet(words, scratch):
    """Return a function that runs the command."""
    def run():
        done = subprocess.run(
            [sys.executable, '-m', 'mtshare_ros.cli.main', *words], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=PATIENCE_S,
            env={**os.environ, 'PYTHONPATH': str(ROOT), 'TMPDIR': str(scratch)})
        return done.returncode, done.stdout
    return run


@pytest.fixture
def fleet(words, scratch, monkeypatch):
    """Return a function that runs the command with workers that take turns."""
    def run():
        done = CliRunner().invoke(app, words)
        return done.exit_code, done.output
    monkeypatch.setattr(pool, 'Pool', TurnsPool)
    monkeypatch.setattr(tempfile, 'tempdir', str(scratch))
    return run


@pytest.fixture
def ranges(s3_server, monkeypatch):
    """
    Return a list that gets the bytes of every range that the server is asked for.

    A function that is put into ``answers`` is called before a whole block is sent, and returns
    whether it is.
    """
    from moto.server import DomainDispatcherApplication

    class Ranges(list):
        answers = staticmethod(lambda: True)

    def answer(server, environ, start_response):
        asked = re.fullmatch(r'bytes=(\d+)-(\d+)', environ.get('HTTP_RANGE', ''))
        if asked:
            found.append(int(asked[2]) - int(asked[1]) + 1)
            if found[-1] == BLOCK and not found.answers():
                start_response('403 Forbidden', [])
                return [b'']
        return serve(server, environ, start_response)

    found, serve = Ranges(), DomainDispatcherApplication.__call__
    monkeypatch.setattr(DomainDispatcherApplication, '__call__', answer)
    return found


def rows_of(output):
    return parquet.read_table(output / 'manifest.parquet').to_pylist()


def assert_equal_bags(output, alone):
    found = output / 'bags' / 'drive'
    names = sorted(path.name for path in alone.iterdir())
    assert sorted(path.name for path in found.iterdir()) == names and len(names) == 3
    assert not [name for name in names
                if not filecmp.cmp(found / name, alone / name, shallow=False)]


@pytest.mark.parametrize('fleet_of', ['fleet', 'ray_fleet'])
def test_two_workers_share_a_bag_in_a_store_and_neither_reads_all_of_it(
    fleet_of, drive, alone, ranges, tmp_path, request
):
    code, text = request.getfixturevalue(fleet_of)()

    assert code == 0, text
    assert_equal_bags(tmp_path / 'out', alone)
    rows = rows_of(tmp_path / 'out')
    assert [row['segment'] for row in rows] == [0, 1]
    assert all(row['input_digest'].startswith('etag:') for row in rows)
    # the second segment reads the calibrations of 8 images before it; blocks are read by both
    # workers at the beginning and at the end, and where the segments meet
    size = storage_file(drive).stat().st_size
    assert size < sum(ranges) < size * (1 + 8 / IMAGES) + 8 * BLOCK < 1.7 * size


def test_what_a_failing_store_has_left_out_is_computed_by_the_next_run(
    fleet, alone, ranges, tmp_path
):
    blocks = []
    ranges.answers = lambda: blocks.append(1) or len(blocks) < 15
    code, text = fleet()
    assert code == 1 and 'in/drive/drive.mcap: cannot be read: Forbidden' in text, text

    ranges.answers = lambda: True
    code, text = fleet()

    assert code == 0, text
    assert_equal_bags(tmp_path / 'out', alone)


def test_a_bag_that_is_replaced_while_it_is_read_fails_and_is_computed_anew(
    fleet, later_drive, s3, ranges, tiny_model, tmp_path
):
    def replace():
        blocks.append(1)
        if len(blocks) == 15:
            from moto.s3.models import s3_backends

            backend = next(iter(s3_backends.values()))['aws']
            for file in later_drive.iterdir():
                backend.put_object(
                    s3.removeprefix('s3://'), f'in/drive/{file.name}', file.read_bytes())
        return True

    blocks = []
    ranges.answers = replace
    code, text = fleet()
    assert code == 1 and 'in/drive: has changed since the command began' in text, text
    [before] = {row['input_version'] for row in rows_of(tmp_path / 'out')}
    assert not (tmp_path / 'out' / 'bags' / 'drive').exists()

    code, text = fleet()

    assert code == 0, text
    assert_equal_bags(
        tmp_path / 'out', compute_alone(later_drive, tiny_model, tmp_path))
    rows = rows_of(tmp_path / 'out')
    assert [row['state'] for row in rows] == ['done'] * 2
    assert before not in {row['input_version'] for row in rows}
