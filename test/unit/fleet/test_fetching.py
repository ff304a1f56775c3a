"""Remote recordings are copied to this machine, whole or not at all."""

from dataclasses import replace
import os

import pytest
from source_files import touch, upload

from mtshare_ros.errors import PlaceError, RecordingError
from mtshare_ros.fleet import fetching
from mtshare_ros.fleet.fetching import fetch
from mtshare_ros.fleet.output.places import open_place
from mtshare_ros.fleet.sources.sources import find_sources


def source_of(text):
    [source] = find_sources([text], {})
    return source


def test_a_bag_arrives_in_a_folder_of_its_name_without_other_files(s3, tmp_path):
    upload(s3, 'd/a/a_0.mcap', 'd/a/a_1.mcap', 'd/a/metadata.yaml', 'd/a/notes.txt')

    path = fetch(source_of(f'{s3}/d'), tmp_path / 'new')

    assert path == tmp_path / 'new/a'
    assert sorted(os.listdir(path)) == ['a_0.mcap', 'a_1.mcap', 'metadata.yaml']


def test_a_file_arrives_with_its_contents(s3, tmp_path):
    upload(s3, 'd/a.mp4', text='film')

    path = fetch(source_of(f'{s3}/d'), tmp_path)

    assert path == tmp_path / 'a.mp4' and path.read_text() == 'film'


def test_a_folder_of_images_arrives(s3, tmp_path):
    upload(s3, *(f'd/{number}.png' for number in range(30)))

    assert len(os.listdir(fetch(source_of(f'{s3}/d'), tmp_path))) == 30


def test_a_local_recording_is_read_where_it_is(tmp_path):
    touch(tmp_path, 'a.mcap')

    assert fetch(source_of(f'{tmp_path}/a.mcap'), tmp_path / 'new') == tmp_path / 'a.mcap'


@pytest.mark.parametrize('change, reason', [
    (lambda place: place.write_bytes('d/a/a_0.mcap', b'longer'), 'has changed'),
    (lambda place: place.write_bytes('d/a/a_1.mcap', b'more'), 'has changed'),
    (lambda place: place.remove('d', recursive=True), 'is not there any more'),
])
def test_a_recording_that_changed_since_is_not_taken(s3, tmp_path, change, reason):
    upload(s3, 'd/a/a_0.mcap')
    source = source_of(f'{s3}/d')
    change(open_place(s3))

    with pytest.raises(RecordingError, match=f'd/a: {reason}'):
        fetch(source, tmp_path)
    assert not os.listdir(tmp_path)


def test_a_recording_that_is_replaced_while_it_arrives_is_not_taken(s3, tmp_path, monkeypatch):
    source = source_of(upload(s3, 'd/a.mcap', text='before'))
    download = fetching._download

    def replace_behind(*arguments):
        download(*arguments)
        upload(s3, 'd/a.mcap', text='behind')

    monkeypatch.setattr(fetching, '_download', replace_behind)

    with pytest.raises(RecordingError, match='d/a.mcap: has changed'):
        fetch(source, tmp_path)
    assert not os.listdir(tmp_path)


def test_a_recording_larger_than_the_free_space_is_not_begun(s3, tmp_path):
    source = replace(source_of(upload(s3, 'd/a.mcap')), bytes=10**18)

    with pytest.raises(PlaceError, match=r'takes 1000000000.0 GB.*set TMPDIR'):
        fetch(source, tmp_path)
    assert not os.listdir(tmp_path)
