"""Digests tell recordings of other contents apart, and copies of one do not differ."""

from pathlib import Path
import shutil

import pytest
from source_files import touch, upload

from mtshare_ros.errors import RecordingError
from mtshare_ros.fleet.digests import digest, digest_files
from mtshare_ros.fleet.sources.sources import find_sources


def bag(folder):
    touch(folder, 'a/a_0.mcap', 'a/a_1.mcap', 'a/metadata.yaml', text='one')
    return folder / 'a'


def test_a_copy_under_another_name_has_the_same_digest(tmp_path):
    shutil.copytree(bag(tmp_path), tmp_path / 'deeper/copy')

    assert digest_files(tmp_path / 'a', 'bag') == digest_files(tmp_path / 'deeper/copy', 'bag')


def test_a_single_file_under_another_name_has_the_same_digest(tmp_path):
    touch(tmp_path, 'a.mp4', 'deeper/b.mp4', text='film')

    assert digest_files(tmp_path / 'a.mp4', 'video') == digest_files(
        tmp_path / 'deeper/b.mp4', 'video')


@pytest.mark.parametrize('change', [
    lambda path: (path / 'a_1.mcap').write_text('two'),
    lambda path: (path / 'a_1.mcap').unlink(),
    lambda path: (path / 'a_1.mcap').rename(path / 'a_2.mcap'),
    lambda path: (path / 'metadata.yaml').unlink(),
    lambda path: ((path / 'a_0.mcap').write_text('onea'), (path / 'a_1.mcap').write_text('ne')),
])
def test_another_content_has_another_digest(tmp_path, change):
    before = digest_files(bag(tmp_path), 'bag')
    change(tmp_path / 'a')

    assert digest_files(tmp_path / 'a', 'bag') != before


def test_files_that_do_not_belong_to_the_recording_do_not_count(tmp_path):
    before = digest_files(bag(tmp_path), 'bag')
    touch(tmp_path, 'a/notes.txt', 'a/.hidden', 'a/b.mp4')

    assert digest_files(tmp_path / 'a', 'bag') == before


def test_large_files_are_read_to_the_end(tmp_path):
    for name, end in (('a', b'1'), ('b', b'1'), ('c', b'2')):
        (tmp_path / f'{name}.mcap').write_bytes(bytes(5_000_000) + end)

    first, second, third = (digest_files(tmp_path / f'{name}.mcap', 'bag') for name in 'abc')
    assert first == second != third


def test_images_of_a_folder_count_with_their_names(tmp_path):
    touch(tmp_path, 'x/1.png', 'y/1.png', 'z/2.png')

    first, second, third = (digest_files(tmp_path / name, 'images') for name in 'xyz')
    assert first == second != third


def test_a_recording_in_a_store_is_not_read_for_its_digest(s3):
    upload(s3, 'd/a/a_0.mcap', 'd/b.mcap', 'e/a/a_0.mcap', 'e/c.mcap')
    upload(s3, 'f/a/a_0.mcap', text='other')

    first, alone, second, renamed, third = (
        digest(source) for folder in 'def' for source in find_sources([f'{s3}/{folder}'], {}))

    assert first == second != third and alone == renamed != first
    assert first.startswith('etag:')


def test_recordings_of_a_store_without_checksums_are_never_taken_for_copies():
    from fsspec.implementations.memory import MemoryFileSystem

    upload('memory://digests', 'a/x.mcap', 'b/x.mcap')
    for path in ('/digests/a/x.mcap', '/digests/b/x.mcap'):
        MemoryFileSystem.store[path].created = MemoryFileSystem.store[
            '/digests/a/x.mcap'].created

    first, second = find_sources(['memory://digests'], {})
    assert digest(first) != digest(second)


def test_a_recording_that_is_gone_is_an_error(tmp_path):
    for path in (Path('gone.mcap'), Path('.')):
        with pytest.raises(RecordingError, match='not there any more|cannot be read'):
            digest_files(tmp_path / path, 'bag')
