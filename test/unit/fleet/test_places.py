"""Outputs are folders of this machine or behind addresses; their files are whole or not there."""

import os
from pathlib import Path
import pickle
import resource
import signal
import subprocess
import sys
import tempfile

import pytest

from mtshare_ros.errors import PlaceError
from mtshare_ros.fleet.output.places import open_place

WAIT = """
import sys, time
from pathlib import Path
from mtshare_ros.fleet.output.places import open_place
place = open_place(sys.argv[1])
"""


@pytest.fixture(params=['folder', 's3'])
def place(request, tmp_path, monkeypatch):
    """Return a place of each kind, as a worker gets it."""
    monkeypatch.setenv('TMPDIR', str(tmp_path))
    monkeypatch.setattr('tempfile.tempdir', None)
    text = str(tmp_path / 'out') if request.param == 'folder' else (
        f'{request.getfixturevalue("s3")}/out')
    return pickle.loads(pickle.dumps(open_place(text)))  # noqa: S301


@pytest.fixture
def killed(tmp_path):
    """Return a function that runs Python with a place until it prints, and kills it then."""
    def run(place, code):
        with subprocess.Popen(
                [sys.executable, '-c', WAIT + code, place.text], stdout=subprocess.PIPE,
                env={**os.environ, 'TMPDIR': str(tmp_path)}) as process:
            assert process.stdout.read(1)
            process.send_signal(signal.SIGKILL)
    return run


def test_what_is_written_is_read_listed_and_removed(place):
    place.write_bytes('a/b.bin', b'123')
    place.write_bytes('a/c/d.bin', b'4')
    place.write_bytes('e.bin', b'')

    assert place.read_bytes('a/b.bin') == b'123'
    assert dict(place.list()) == {'a/b.bin': 3, 'a/c/d.bin': 1, 'e.bin': 0}
    assert dict(place.list('a/c')) == {'a/c/d.bin': 1}
    assert {'a', 'e.bin'} <= place.entries()
    assert (place.size('a/b.bin'), place.size('a/x')) == (3, None)
    assert place.exists('a/b.bin') and place.exists('a/c') and not place.exists('x')
    place.remove('a', recursive=True)
    place.remove('e.bin')
    assert dict(place.list()) == {}


def test_a_place_in_which_nothing_was_written_is_empty(place):
    assert dict(place.list()) == {} and dict(place.list('bags')) == {}
    assert place.entries() == frozenset() and not place.exists('bags')
    place.remove('bags', recursive=True)
    place.remove('file')
    place.remove_drafts()


def test_a_file_is_replaced(place):
    place.write_bytes('a.bin', b'old')
    place.write_bytes('a.bin', b'newer')

    assert place.read_bytes('a.bin') == b'newer'


def test_reading_what_is_not_there_is_an_error_that_names_it(place):
    with pytest.raises(PlaceError, match='out/a.bin'):
        place.read_bytes('a.bin')


def test_a_draft_appears_when_it_is_published(place, tmp_path):
    draft, other = place.draft('bags/x_0.mcap'), place.draft('bags/x_0.mcap')
    draft.path.write_bytes(b'whole')
    other.path.write_bytes(b'half')

    assert draft.path.name == 'x_0.mcap' and dict(place.list()) == {}
    draft.publish()
    other.discard()
    assert place.read_bytes('bags/x_0.mcap') == b'whole'
    assert not [path for path in tmp_path.rglob('*') if path.is_file() and 'drafts' in str(path)]


def test_drafts_of_killed_processes_are_removed_and_those_of_others_are_not(
    place, killed, tmp_path
):
    mine = place.draft('a.bin')
    mine.path.write_bytes(b'mine')
    killed(place, 'draft = place.draft("a.bin"); draft.path.write_text("half"); '
                  'print(1, flush=True); time.sleep(60)')
    assert len(list(tmp_path.rglob('a.bin'))) == 2

    place.remove_drafts()

    assert list(tmp_path.rglob('a.bin')) == [mine.path]
    mine.publish()
    assert place.read_bytes('a.bin') == b'mine'


def test_a_kill_while_a_file_is_written_leaves_the_old_or_the_new_one(place, killed):
    killed(place, """
for number in range(10_000):
    place.write_bytes('a.bin', bytes([number % 256]) * 1_000_000)
    print(1, flush=True)
""")

    data = place.read_bytes('a.bin')
    assert data == data[:1] * 1_000_000
    assert dict(place.list()) == {'a.bin': 1_000_000}


def test_a_complete_local_file_is_put(place, tmp_path):
    path = tmp_path / 'made.bin'
    path.write_bytes(b'123')

    place.put(path, 'a/b.bin')

    assert place.read_bytes('a/b.bin') == b'123'


@pytest.mark.skipif(not os.access('/dev/shm', os.W_OK), reason='there is no other file system')
def test_a_file_of_another_file_system_is_copied(tmp_path):
    place = open_place(str(tmp_path / 'out'))
    with tempfile.TemporaryDirectory(dir='/dev/shm') as folder:
        path = Path(folder, 'made.bin')
        path.write_bytes(b'123')
        place.put(path, 'a.bin')

    assert place.read_bytes('a.bin') == b'123' and os.listdir(tmp_path / 'out') == ['a.bin']


def test_only_one_command_writes_into_a_folder(tmp_path):
    place = open_place(str(tmp_path / 'out'))
    with place.lock(), pytest.raises(PlaceError, match='another command is writing there'):
        with open_place(str(tmp_path / 'out')).lock():
            pass
    with place.lock():
        pass


def test_a_lock_ends_with_a_killed_process(tmp_path, killed):
    place = open_place(str(tmp_path / 'out'))
    killed(place, 'with place.lock():\n    print(1, flush=True); time.sleep(60)')

    with place.lock():
        pass


def test_what_does_not_fit_leaves_the_old_file_and_says_what_to_do(tmp_path):
    place = open_place(str(tmp_path / 'out'))
    place.write_bytes('a.bin', b'old')
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(PlaceError, match=r'out/a.bin: cannot be written: File too large; '
                                             '.*the same command goes on'):
            place.write_bytes('a.bin', bytes(10_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert place.read_bytes('a.bin') == b'old' and os.listdir(tmp_path / 'out') == ['a.bin']


def test_a_full_disk_is_an_error_that_says_what_to_do(tmp_path):
    code = f"""
from mtshare_ros.errors import PlaceError
from mtshare_ros.fleet.output.places import open_place
place = open_place('{tmp_path}')
place.write_bytes('a.bin', b'old')
try:
    place.write_bytes('a.bin', bytes(1_000_000))
except PlaceError as error:
    print(place.read_bytes('a.bin'), place.entries(), error)
"""
    # a small disk that only this process sees
    result = subprocess.run(
        ['unshare', '--map-root-user', '--mount', 'sh', '-c',
         f'mount -t tmpfs -o size=100k tmpfs {tmp_path} || exit 77; exec "$0" -c "$1"',
         sys.executable, code], capture_output=True, text=True, check=False)
    if result.returncode and 'Traceback' not in result.stderr:
        pytest.skip(f'no disk can be mounted here: {result.stderr}')

    assert result.stdout.startswith("b'old' frozenset({'a.bin'})"), result.stderr
    assert 'cannot be written: No space left on device; the disk is full: make room' in (
        result.stdout)


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / 'file').touch()

    with pytest.raises(PlaceError, match='file/out/a.bin: cannot be written: Not a directory'):
        open_place(str(tmp_path / 'file/out')).write_bytes('a.bin', b'')


def test_a_bucket_that_is_missing_is_an_error(s3):
    with pytest.raises(PlaceError, match=r'no-such-bucket/a.bin: cannot be written: there is no '
                                         'such bucket'):
        open_place('s3://no-such-bucket').write_bytes('a.bin', b'')


def test_a_server_that_does_not_answer_is_an_error(s3, monkeypatch):
    import s3fs

    monkeypatch.setenv('AWS_ENDPOINT_URL', 'http://127.0.0.1:9')
    s3fs.S3FileSystem.clear_instance_cache()
    try:
        with pytest.raises(PlaceError, match=r's3://bucket/a.bin: cannot be written: .*127.0.0.1'):
            open_place('s3://bucket').write_bytes('a.bin', b'')
    finally:
        s3fs.S3FileSystem.clear_instance_cache()


def test_only_folders_of_this_machine_have_paths_and_new_names(tmp_path, s3):
    place = open_place(str(tmp_path))
    place.write_bytes('bags/x.part/x_0.mcap', b'1')
    place.rename('bags/x.part', 'bags/x')

    assert place.local_path('bags/x/x_0.mcap').read_bytes() == b'1'
    assert open_place(s3).local_path('bags') is None
    with pytest.raises(PlaceError, match='not renamed'):
        open_place(s3).rename('a', 'b')
