"""A fleet is continued by the command that began it, and by no other one."""

import json

import pytest

from mtshare_ros.errors import PlaceError, RecordingError
from mtshare_ros.fleet.output.identity import begin_fleet, read_identity
from mtshare_ros.fleet.output.places import open_place

WANTED = {'model': 'abc', 'sizes': (240, 320), 'threads': 1, 'labels': {1: 'wall'}}


@pytest.fixture(params=['folder', 's3'])
def place(request, tmp_path):
    """Return an empty place of each kind."""
    return open_place(str(tmp_path / 'out') if request.param == 'folder' else
                      f'{request.getfixturevalue("s3")}/out')


def test_the_same_command_goes_on(place):
    begin_fleet(place, WANTED)
    before = place.read_bytes('fleet.json')
    begin_fleet(place, WANTED)
    begin_fleet(place, WANTED, overwrite=True)

    assert place.read_bytes('fleet.json') == before
    assert json.loads(before)['sizes'] == [240, 320]


@pytest.mark.parametrize('change, message', [
    ({'model': 'xyz'}, "model was 'abc', now it is 'xyz'"),
    ({'model': 'xyz', 'threads': 2}, "model was 'abc'"),
    ({'threads': 2}, 'threads was 1, now it is 2'),
    ({'new': True}, 'new was None, now it is True'),
])
def test_another_command_is_refused_and_the_first_difference_named(place, change, message):
    begin_fleet(place, WANTED)
    place.write_bytes('manifest/1.parquet', b'1')

    with pytest.raises(RecordingError, match=f'{message}.*--output.*--overwrite'):
        begin_fleet(place, {**WANTED, **change})


def test_an_option_that_is_no_longer_given_is_a_difference(place):
    begin_fleet(place, {**WANTED, 'topics': 'all'})
    place.write_bytes('manifest/1.parquet', b'1')

    with pytest.raises(RecordingError, match="topics was 'all', now it is None"):
        begin_fleet(place, WANTED)


def test_a_command_that_wrote_nothing_is_replaced_by_another_one(place):
    begin_fleet(place, {**WANTED, 'topics': 'nonsense'})

    begin_fleet(place, WANTED)

    assert 'topics' not in read_identity(place)


def test_another_command_may_overwrite_what_a_fleet_wrote_and_nothing_else(place):
    begin_fleet(place, WANTED)
    for name in ('bags/a/a_0.mcap', 'manifest/1.parquet', 'manifest.parquet', 'mine.txt'):
        place.write_bytes(name, b'1')
    wanted = {**WANTED, 'model': 'xyz'}

    begin_fleet(place, wanted, overwrite=True)

    assert set(place.list()) == {'fleet.json', 'mine.txt'}
    assert read_identity(place)['model'] == 'xyz'


@pytest.mark.parametrize('overwrite', [False, True])
def test_the_bags_of_others_are_not_written_into(place, overwrite):
    place.write_bytes('bags/a/a_0.mcap', b'1')

    with pytest.raises(RecordingError, match='holds bags, but no fleet.json'):
        begin_fleet(place, WANTED, overwrite=overwrite)


@pytest.mark.parametrize('data', [b'{"model"', b'[]', b'\xff'])
def test_a_damaged_file_is_an_error(place, data):
    place.write_bytes('fleet.json', data)

    with pytest.raises(PlaceError, match='fleet.json: is'):
        begin_fleet(place, WANTED)
