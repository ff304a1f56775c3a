"""Recordings are found behind addresses: in object stores and on the web."""

from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
import json
import os
import threading

import pytest
from source_files import DRIVES, FOUND, found, names, touch, upload

from mtshare_ros.errors import MissingExtraError, RecordingError
from mtshare_ros.fleet.addresses import Address, reaching
from mtshare_ros.fleet.fetching import fetch
from mtshare_ros.fleet.remote_bags import may_be_read_in_place, SMALLEST
from mtshare_ros.fleet.sources.sources import find_sources, Source


def record_requests(url):
    """Return a list that gets the names of the requests from now on."""
    requests = []
    Address(url).system.s3.meta.events.register(
        'before-call.s3', lambda model, **_: requests.append(model.name))
    return requests


def test_behind_an_address_the_same_is_found(s3):
    assert found(f'{upload(s3, *DRIVES)}/drives') == FOUND


def test_a_list_behind_an_address_names_sources_relative_to_itself(s3):
    upload(s3, *DRIVES)
    upload(s3, 'drives/list.txt', text='2.mcap\nday\n')

    assert names(f'{s3}/drives/list.txt') == ['2', 'front']


@pytest.mark.parametrize('address', ['sftp://me:secret@host/a.mcap',
                                     'https://host/a.mcap?signature=secret'])
def test_an_address_with_a_secret_is_refused_without_showing_it(address):
    with pytest.raises(RecordingError, match='FSSPEC_') as error:
        found(address)

    assert 'secret' not in str(error.value)


def test_a_protocol_that_does_not_exist_is_refused():
    with pytest.raises(RecordingError, match='nothing://a/b: .*s3://bucket'):
        found('nothing://a/b')


def test_whatever_a_file_system_says_when_it_is_opened_is_told():
    with pytest.raises(RecordingError, match=r'^github://a/b: cannot be opened: .*check the'):
        _ = Address('github://a/b').path


def test_of_a_long_reason_the_beginning_is_told():
    with pytest.raises(RecordingError, match='b: cannot be read: the page .*…; check') as error:
        with reaching('s3://b', 'read'):
            raise OSError(f'the {"page " * 1000}')

    assert len(str(error.value)) < 500


def test_the_package_that_a_protocol_needs_is_named():
    with pytest.raises(MissingExtraError, match='pip install ocifs'):
        found('oci://bucket/drives')


def test_thousands_of_files_are_listed_with_few_requests_and_none_is_read(s3):
    # the server itself would need minutes to store so many through the network
    from moto.s3.models import s3_backends

    for account in s3_backends.values():
        backend = account['aws']
        for number in range(2500):
            backend.put_object(s3.removeprefix('s3://'), f'd/{number}/{number}_0.mcap', b'x')
    requests = record_requests(s3)

    assert len(found(f'{s3}/d')) == 2500
    assert requests == ['ListObjectsV2'] * 3


def test_the_version_changes_with_a_file_and_is_equal_for_a_copy_in_the_store(s3, tmp_path):
    def version(where):
        return find_sources([where], {})[0].version

    upload(s3, 'a/x/x_0.mcap', 'b/x/x_0.mcap')
    before = version(f'{s3}/a')
    assert version(f'{s3}/b') == before
    upload(s3, 'a/x/x_0.mcap', text='y')
    assert version(f'{s3}/a') != before

    touch(tmp_path, 'x/x_0.mcap')
    before = version(str(tmp_path))
    assert version(str(tmp_path)) == before
    os.utime(tmp_path / 'x/x_0.mcap', ns=(1, 1))
    assert version(str(tmp_path)) != before


def test_a_file_on_the_web_is_found_and_fetched(tmp_path):
    touch(tmp_path, 'a.mp4', text='film')
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path)
    handler.log_message = lambda *_: None
    with ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            [source] = find_sources([f'http://127.0.0.1:{server.server_port}/a.mp4'], {})
            copy = fetch(source, tmp_path / 'new')
        finally:
            server.shutdown()
            thread.join()

    assert (source.name, source.kind, source.bytes) == ('a', 'video', 4)
    assert copy.read_text() == 'film'


def test_many_recordings_of_one_folder_are_found_by_one_listing_of_it(s3):
    upload(s3, *(f'd/{number}.mcap' for number in range(20)))
    lines = [json.dumps({'source': f'{s3}/d/{number}.mcap'}) for number in range(20)]
    upload(s3, 'list.jsonl', text='\n'.join(lines))
    requests = record_requests(s3)

    assert len(found(f'{s3}/list.jsonl')) == 20
    assert requests.count('ListObjectsV2') == 2 and requests.count('GetObject') == 1


BAG = Source('s3://b/drive', 'drive', 'bag', SMALLEST, '')


@pytest.mark.parametrize('change, expected', [
    ({}, True), ({'location': 's3://b/drive.mcap'}, True), ({'bytes': SMALLEST - 1}, False),
    ({'location': 's3://b/drive.db3'}, False), ({'location': 's3://b/drive.mcap.zstd'}, False),
    ({'location': 'https://b/drive.mcap'}, False), ({'location': '/b/drive.mcap'}, False),
    # a file system that answers one request after the other
    ({'location': 'memory://b/drive'}, False),
    ({'kind': 'images'}, False), ({'location': 's3://b/walk.mp4', 'kind': 'video'}, False),
])
def test_large_mcap_bags_of_object_stores_are_read_in_place(s3_server, change, expected):
    assert may_be_read_in_place(replace(BAG, **change)) is expected
