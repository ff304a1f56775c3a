"""The manifest keeps the newest row of each segment, whatever is killed or damaged."""

from datetime import datetime, timezone
import io

from doc_pages import ROOT
import pyarrow as pa
import pyarrow.parquet
import pytest

from mtshare_ros.errors import PlaceError
from mtshare_ros.fleet.output.manifest import Manifest, part_name, read_part, write_part
from mtshare_ros.fleet.output.manifest_rows import COLUMNS, ManifestRow, table_of
from mtshare_ros.fleet.output.places import open_place

ROW = ManifestRow(
    source='s3://b/a.mcap', name='a', kind='bag', segment=3, segments=9, first_image=750,
    images=250, frames=249, skipped=1, input_digest='d', input_version='v', model_digest='m',
    settings_digest='s', output='bags/a/a_3.mcap', output_bytes=10**12, end_position=2000,
    metadata='{"message_count": 1}', notices=('ä', ''), seconds=1.5,
    finished_at=datetime(2026, 1, 2, 3, 4, 5, 678901, timezone.utc), version='1.0')


@pytest.fixture(params=['folder', 's3'])
def place(request, tmp_path):
    """Return an empty place of each kind."""
    return open_place(str(tmp_path / 'out') if request.param == 'folder' else
                      f'{request.getfixturevalue("s3")}/out')


def row(source='a', segment=0, **values):
    return ManifestRow(source=source, name=f'name of {source}', segment=segment, **values)


def test_rows_come_back_as_they_were(place):
    manifest = Manifest.load(place)
    manifest.add(ROW)
    manifest.flush()

    assert list(Manifest.load(place).rows()) == [ROW]
    manifest.compact()
    assert list(Manifest.load(place).rows()) == [ROW]
    assert list(place.list()) == ['manifest.parquet']


def test_the_newest_row_of_a_segment_wins(place):
    manifest = Manifest.load(place)
    for frames, keep in ((1, manifest.flush), (2, manifest.compact), (3, manifest.flush),
                         (4, manifest.flush), (5, lambda: None)):
        manifest.add(row(frames=frames))
        keep()
        assert [found.frames for found in manifest.rows()] == [frames]

    assert [found.frames for found in Manifest.load(place).rows()] == [4]


def test_the_newest_row_wins_after_the_clock_was_set_back(place, monkeypatch):
    manifest = Manifest.load(place)
    manifest.add(row(frames=1))
    manifest.flush()
    monkeypatch.setattr('time.time_ns', lambda: 1)
    again = Manifest.load(place)
    again.add(row(frames=2))
    again.flush()

    assert [found.frames for found in Manifest.load(place).rows()] == [2]


def test_rows_that_are_removed_are_gone(place):
    manifest = Manifest.load(place)
    for segment in range(4):
        manifest.add(row(segment=segment))
    manifest.flush()
    manifest.remove('a', [1, 3])

    assert list(manifest.of('a')) == [0, 2]
    manifest.flush()
    assert list(Manifest.load(place).of('a')) == [0, 2]
    manifest.compact()
    assert list(Manifest.load(place).of('a')) == [0, 2]
    manifest.add(row(segment=1))
    assert list(manifest.of('a')) == [0, 1, 2]


def test_names_are_known_before_and_after_they_are_written(place):
    manifest = Manifest.load(place)
    for source, segment in (('b', 0), ('a', 0), ('a', 1), ('c', -1)):
        manifest.add(row(source, segment))
    manifest.remove('c', [-1])
    assert manifest.names() == {'a': 'name of a', 'b': 'name of b'}
    manifest.compact()

    assert manifest.names() == Manifest.load(place).names() == {
        'a': 'name of a', 'b': 'name of b'}


def test_rows_are_sorted_by_source_and_segment(place):
    manifest = Manifest.load(place)
    keys = [('b', 2), ('a', 10), ('b', -1), ('ä', 0), ('a', 9)]
    for source, segment in keys:
        manifest.add(row(source, segment))

    assert [found.key for found in manifest.rows()] == sorted(keys)
    manifest.compact()
    assert [found.key for found in manifest.rows()] == sorted(keys)


def test_an_empty_manifest_has_no_rows(place):
    manifest = Manifest.load(place)
    manifest.flush()

    assert not list(manifest.rows()) and not manifest.names()
    assert dict(place.list()) == {}
    manifest.compact()
    assert not list(Manifest.load(place).rows())


def test_a_worker_writes_a_part_of_a_name_and_reads_it_again(place):
    write_part(place, 'a/b', [row(segment=0), row(segment=1)])
    write_part(place, 'a/b', [row(segment=0), row(segment=1, frames=2), row(segment=2)])

    assert [found.segment for found in read_part(place, 'a/b')] == [0, 1, 2]
    assert [found.frames for found in Manifest.load(place).rows()] == [0, 2, 0]
    assert read_part(place, 'c') == ()


def test_a_part_that_a_worker_may_write_again_stays_while_a_run_goes_on(place):
    write_part(place, 'a', [row(segment=0)])
    manifest = Manifest.load(place)
    write_part(place, 'a', [row(segment=0), row(segment=1)])
    for number in range(300):
        manifest.add(row('b', number))
        manifest.flush()

    assert 0 < len(place.list('manifest')) < 100
    assert list(Manifest.load(place).of('a')) == [0, 1]
    Manifest.load(place).compact()
    assert list(place.list()) == ['manifest.parquet']
    assert len(list(Manifest.load(place).rows())) == 302


@pytest.mark.parametrize('data', [b'', b'PAR1', b'no parquet at all'])
def test_a_damaged_part_is_named_and_left_out(place, data):
    lines = []
    manifest = Manifest.load(place)
    manifest.add(row('a'))
    manifest.flush()
    place.write_bytes(part_name('broken'), data)

    manifest = Manifest.load(place, lines.append)

    assert [found.source for found in manifest.rows()] == ['a']
    assert lines == list(manifest.damaged) and len(lines) == 1
    assert 'manifest/broken.parquet: is damaged' in lines[0] and 'computed again' in lines[0]
    assert read_part(place, 'broken') == ()


def test_another_table_is_no_part(place):
    buffer = io.BytesIO()
    pa.parquet.write_table(pa.table({'source': ['a']}), buffer)
    place.write_bytes(part_name('other'), buffer.getvalue())

    assert 'source and segment are missing' in Manifest.load(place).damaged[0]


def test_a_damaged_merged_file_is_an_error_as_everything_is_in_it(place):
    place.write_bytes('manifest.parquet', b'broken')

    with pytest.raises(PlaceError, match='manifest.parquet: is damaged.*put back a copy'):
        Manifest.load(place)


def test_columns_that_an_older_version_did_not_write_have_defaults(place):
    buffer = io.BytesIO()
    table = table_of([ROW]).drop_columns(['worker', 'notices', 'finished_at', 'name'])
    pa.parquet.write_table(table.append_column('extra', [[1]]), buffer)
    place.write_bytes('manifest.parquet', buffer.getvalue())

    [found] = Manifest.load(place).rows()

    assert (found.worker, found.notices, found.finished_at, found.name) == ('', (), None, '')
    assert found.seconds == ROW.seconds


def test_text_that_is_no_unicode_does_not_stop_the_run(place):
    manifest = Manifest.load(place)
    manifest.add(row(reason='\udcff.jpg: broken', notices=('\udcff',)))
    manifest.flush()

    assert next(Manifest.load(place).rows()).reason == '?.jpg: broken'


def test_other_readers_see_plain_types(tmp_path):
    manifest = Manifest.load(open_place(str(tmp_path)))
    manifest.add(ROW)
    manifest.compact()

    found = pa.parquet.read_schema(tmp_path / 'manifest.parquet')

    assert {str(kind) for kind in found.types} == {
        'string', 'int64', 'double', 'timestamp[us, tz=UTC]', 'list<element: string>'}


def test_the_page_describes_every_column():
    kinds = {str: 'text', int: 'integer', float: 'real', tuple[str, ...]: 'list of texts',
             datetime | None: 'time in UTC'}
    lines = [f'| `{name}` | {kinds[item.type]} | {item.metadata["text"]} |'
             for name, item in COLUMNS.items()]

    assert '\n'.join(['| column | type | what |', '| --- | --- | --- |', *lines]) in (
        ROOT / 'docs/fleet.md').read_text()
