"""Recordings are found by paths, globs, folders, lists, manifests and addresses."""

import os
from pathlib import Path

import pytest
from source_files import DRIVES, FOUND, found, names, touch, upload

from mtshare_ros.errors import RecordingError
from mtshare_ros.fleet.output.manifest import Manifest
from mtshare_ros.fleet.output.manifest_rows import ManifestRow
from mtshare_ros.fleet.output.places import open_place
from mtshare_ros.fleet.sources.sources import find_sources


def test_a_folder_is_searched_for_bags_videos_and_images(tmp_path):
    assert found(touch(tmp_path, *DRIVES) / 'drives') == FOUND


def test_the_bytes_of_a_recording_are_those_of_its_files(tmp_path):
    touch(tmp_path, *DRIVES)

    sizes = {source.name: source.bytes for source in find_sources([f'{tmp_path}/drives'], {})}

    assert sizes == {'2': 1, '10': 1, 'a': 3, 'day/front': 1, 'k': 2, 'photos': 2}


def test_files_of_any_names_without_metadata_are_bags_of_their_own(tmp_path):
    touch(tmp_path, 'd/d_0.mcap', 'd/other.mcap')

    assert found(tmp_path) == [('d/d_0', 'bag'), ('d/other', 'bag')]


@pytest.mark.parametrize('glob, expected', [
    ('drives/**/*.mcap', ['2', 'a']),
    ('drives/*', ['2', '10', 'a', 'day/front', 'k', 'photos']),
    ('drives/[ak]/*_0.*', ['a', 'k']),
    ('dr*/d?y', ['drives/day/front']),
])
def test_a_glob_gives_what_it_matches_and_what_lies_in_that(tmp_path, s3, glob, expected):
    touch(tmp_path, *DRIVES)
    upload(s3, *DRIVES)

    assert names(f'{tmp_path}/{glob}') == expected
    assert names(f'{s3}/{glob}') == expected


def test_a_file_of_a_bag_stands_for_the_bag_and_this_is_said(tmp_path, s3):
    lines = []
    touch(tmp_path, *DRIVES)
    upload(s3, *DRIVES)

    assert found(tmp_path / 'drives/a/a_1.mcap', say=lines.append) == [('a', 'bag')]
    assert found(f'{s3}/drives/a/a_1.mcap', say=lines.append) == [('a', 'bag')]
    assert len(lines) == 2 and all('computed whole' in line for line in lines)


def test_a_hidden_file_is_taken_where_it_is_given_itself(tmp_path):
    assert names(touch(tmp_path, '.a.mcap', 'b.mcap') / '.a.mcap') == ['_a']


def test_other_files_are_counted_in_one_message(tmp_path):
    lines = []

    found(touch(tmp_path, 'a.mcap', '1.txt', '2.txt', 'd/3.pdf'), say=lines.append)

    assert len(lines) == 1 and '3 other files (.txt 2, .pdf 1)' in lines[0]


def test_a_list_names_sources_relative_to_itself(tmp_path):
    touch(tmp_path, *DRIVES)
    (tmp_path / 'more.txt').write_text('list.txt\ndrives/day\n')
    (tmp_path / 'list.txt').write_text('# my drives\n\ndrives/2.mcap\ndrives/?\nmore.txt\n')

    assert names(tmp_path / 'list.txt') == ['2', 'a', 'front', 'k']


def test_the_place_in_a_list_is_named_where_a_source_is_wrong(tmp_path):
    (tmp_path / 'list.txt').write_text('nowhere.mcap\n')

    with pytest.raises(RecordingError, match=r'nowhere.mcap: there is no.*from .*list.txt'):
        found(tmp_path / 'list.txt')


def test_what_may_have_been_a_recording_is_told(tmp_path):
    lines = []
    touch(tmp_path, 'a.mcap', 'lost/metadata.yaml', 'old/ros1.bag')

    assert names(tmp_path, say=lines.append) == ['a']
    assert 'convert bags of ROS 1 (.bag) with rosbags-convert' in lines[0]
    assert f'such as {tmp_path}/lost/metadata.yaml: if that was a bag, its files' in lines[1]
    for source in ('old', 'old/ros1.bag'):
        with pytest.raises(RecordingError, match='convert bags of ROS 1'):
            found(tmp_path / source)


def test_a_server_that_cannot_be_reached_is_named_beside_the_other_faults(tmp_path):
    (tmp_path / 'list.txt').write_text('ftp://127.0.0.1:1/a.mcap\nnowhere.mcap\n')

    with pytest.raises(RecordingError) as caught:
        found(tmp_path / 'list.txt')

    assert 'ftp://127.0.0.1:1/a.mcap: cannot be opened: ' in str(caught.value)
    assert 'nowhere.mcap: there is no such file' in str(caught.value)


@pytest.mark.parametrize('name, text', [
    ('m.csv', 'source,score\ndrives/2.mcap,1\ndrives/[1].mcap,2\n'),
    ('excel.csv', '\ufeffsource,score\r\ndrives/2.mcap,1\r\ndrives/[1].mcap,2\r\n'),
    ('m.jsonl', '{"source": "drives/2.mcap"}\n{"source": "drives/[1].mcap"}\n'),
])
def test_a_manifest_names_sources_in_a_column(tmp_path, name, text):
    touch(tmp_path, *DRIVES, 'drives/[1].mcap')
    (tmp_path / name).write_text(text)

    assert names(tmp_path / name) == ['2', '_1_']


def test_the_manifest_of_an_earlier_run_names_its_sources(tmp_path):
    sources = find_sources([str(touch(tmp_path, *DRIVES) / 'drives')], {})
    manifest = Manifest.load(open_place(str(tmp_path / 'out')))
    for source in sources:
        for segment in range(2):
            manifest.add(ManifestRow(source=source.location, name=source.name, segment=segment))
    manifest.compact()

    again = find_sources([str(tmp_path / 'out/manifest.parquet')], manifest.names())

    assert again == sources


@pytest.mark.parametrize('name, text', [('m.csv', 'path\na.mcap\n'), ('m.jsonl', '{"path": 1}\n'),
                                        ('m.jsonl', '["a"]\n')])
def test_a_manifest_without_the_column_is_refused(tmp_path, name, text):
    (tmp_path / name).write_text(text)

    with pytest.raises(RecordingError, match="no column 'source'"):
        found(tmp_path / name)


def test_outputs_of_fleets_are_left_out(tmp_path):
    lines = []
    touch(tmp_path, 'a.mcap', 'old/fleet.json', 'old/bags/a/a_0.mcap', 'out/bags/a/a_0.mcap')

    assert names(tmp_path, say=lines.append, output=str(tmp_path / 'out')) == ['a']
    assert any('old: it is the output of a fleet' in line for line in lines)
    with pytest.raises(RecordingError, match='give .*old/bags'):
        found(tmp_path / 'old')
    with pytest.raises(RecordingError, match='lies in the output'):
        found(tmp_path / 'out/bags', output=str(tmp_path / 'out'))


def test_recordings_are_found_where_they_were_once_given_as_the_output(tmp_path, s3):
    touch(tmp_path, 'drives/fleet.json', 'drives/a.mcap', 'drives/day/b.mcap')
    upload(s3, 'drives/fleet.json', 'drives/a.mcap', 'drives/day/b.mcap')

    for root in (tmp_path, s3):
        with pytest.raises(RecordingError, match='lies in the output'):
            found(f'{root}/drives', output=f'{root}/drives')
        assert names(f'{root}/drives') == ['a', 'day/b']


def test_all_sources_that_do_not_exist_are_named_before_any_work(tmp_path, s3):
    touch(tmp_path, 'a.mcap', 'b.pdf', 'empty/x.pdf')

    with pytest.raises(RecordingError) as error:
        found(tmp_path / 'a.mcap', tmp_path / 'one.mcap', tmp_path / '*.mkv', f'{s3}/three',
              tmp_path / 'b.pdf', tmp_path / 'empty')

    text = str(error.value)
    assert text.startswith('5 sources cannot be used')
    for expected in (f'{tmp_path}/one.mcap: there is no such', f'{s3}/three: there is no such',
                     '*.mkv: matches no recordings', 'b.pdf: is no recording by its name',
                     'empty: holds no recordings, only 1 other file (.pdf 1)'):
        assert expected in text


def test_no_source_at_all_is_an_error():
    with pytest.raises(RecordingError, match='no sources'):
        found()


def test_a_recording_that_is_given_several_times_comes_once(tmp_path):
    touch(tmp_path, *DRIVES)
    (tmp_path / 'link').symlink_to(tmp_path / 'drives')
    (tmp_path / 'drives/back').symlink_to(tmp_path)
    (tmp_path / 'copy.mcap').symlink_to(tmp_path / 'drives/2.mcap')

    assert len(found(tmp_path / 'drives', tmp_path / 'link', tmp_path / 'drives/*',
                     tmp_path / 'drives/day/front.MP4', tmp_path / 'copy.mcap')) == len(FOUND)


def test_recordings_of_equal_names_have_more_of_their_paths(tmp_path):
    touch(tmp_path, 'mon/front.mp4', 'tue/front.mp4', 'tue/front.mcap', 'tue/rear.mp4')

    assert names(tmp_path / 'mon', tmp_path / 'tue') == [
        'front_mcap', 'mon/front', 'rear', 'tue/front']


def test_names_of_an_earlier_run_stay(tmp_path):
    before = find_sources([str(touch(tmp_path, 'x/b.mcap', 'y/b.mcap'))], {})
    known = {source.location: f'old/{source.name}' for source in before}
    touch(tmp_path, 'x/b.mp4', 'z/b.mcap')

    after = {source.location: source.name for source in find_sources([str(tmp_path)], known)}

    assert known.items() <= after.items() and len(set(after.values())) == 4


def test_a_name_that_is_no_utf_8_is_refused(tmp_path):
    Path(os.fsdecode(os.fsencode(tmp_path) + b'/\xff.mcap')).touch()

    with pytest.raises(RecordingError, match='UTF-8'):
        found(tmp_path)


def test_a_local_address_is_a_path(tmp_path):
    touch(tmp_path, 'a.mcap')

    [source] = find_sources([f'file://{tmp_path}/a.mcap'], {})

    assert source.location == f'{tmp_path}/a.mcap' and source.is_local
