"""Bags in object stores are read in place, by ranges, as if they were local."""

from itertools import islice
from pathlib import Path

import fsspec
import pytest

pytest.importorskip('rosbags', reason='bags need the extra [bags]')

from bag_files import camera_rows, IMAGE, INFO, TALK, write_camera_bag, write_mcap  # noqa: E402

from mtshare_ros.errors import RecordingError  # noqa: E402
from mtshare_ros.fleet import range_reader  # noqa: E402
from mtshare_ros.fleet.addresses import Address  # noqa: E402
from mtshare_ros.fleet.remote_bags import open_in_place  # noqa: E402
from mtshare_ros.fleet.sources.sources import find_sources  # noqa: E402
from mtshare_ros.fleet.worker import RecordingReader  # noqa: E402
from mtshare_ros.recording.bag import Bag  # noqa: E402
from mtshare_ros.recording.bag_parts import WrongIndexError  # noqa: E402
from mtshare_ros.recording.bag_plan import BagPlan  # noqa: E402
from mtshare_ros.recording.segments import find_segments  # noqa: E402

NAMES = (IMAGE, INFO, TALK)
IMAGES = 60


@pytest.fixture
def small_blocks(monkeypatch):
    """Read in blocks that are small against the bags of tests."""
    monkeypatch.setattr(range_reader, '_BLOCK', 2**16)


@pytest.fixture
def requests(s3):
    """Return a list that gets the name and the bytes of every request from now on."""
    def note(model, parsed, **_):
        found.append((model.name, parsed.get('ContentLength', 0)))

    found = []
    events = Address(s3).system.s3.meta.events
    events.register('after-call.s3', note)
    yield found
    events.unregister('after-call.s3', note)


def store(s3, path):
    """Put a bag into a bucket, and return it as a source."""
    fsspec.filesystem('s3').put(str(path), f'{s3}/in/{path.name}', recursive=path.is_dir())
    return source_in(s3)


def source_in(s3):
    [source] = find_sources([f'{s3}/in'], {})
    return source


def in_chunks(path, images=IMAGES, **options):
    """Write a bag of a chunk for each image."""
    return write_mcap(path, camera_rows(images), chunk_size=30_000, **options)


def in_two_files(folder):
    folder.mkdir()
    rows = camera_rows(IMAGES)
    for number in range(2):
        write_mcap(folder / f'{folder.name}_{number}.mcap',
                   rows[number * IMAGES:(number + 1) * IMAGES], chunk_size=30_000)
    return folder


def bytes_of(requests):
    return sum(size for name, size in requests if name == 'GetObject')


@pytest.mark.parametrize('write, name', [
    (in_chunks, 'drive.mcap'), (in_two_files, 'drive'),
    (lambda path: write_camera_bag(path, IMAGES), 'drive'),
])
def test_a_bag_in_a_store_holds_what_the_local_one_holds(s3, tmp_path, small_blocks, write, name):
    path = write(tmp_path / name)
    source = store(s3, path)

    with Bag(path) as local, Bag(open_in_place(source)) as remote:
        assert str(remote.path) == source.location
        assert remote.topics == local.topics and remote.start_ns == local.start_ns
        assert len(remote.notices) == len(local.notices) and not remote.damages
        index = local.index(NAMES)
        assert remote.index(NAMES) == index
        assert list(remote.messages(NAMES)) == list(local.messages(NAMES))
        middle = index[len(index) // 2].point
        assert list(remote.messages_from(NAMES, middle)) == list(
            local.messages_from(NAMES, middle))
        assert not remote.damages


def test_of_a_part_only_its_bytes_are_read(s3, tmp_path, small_blocks, requests):
    path = in_chunks(tmp_path / 'drive.mcap')
    with Bag(open_in_place(store(s3, path))) as bag:
        entry = bag.index((IMAGE,))[IMAGES // 2]
        requests.clear()

        images = list(islice(bag.messages_from((IMAGE,), entry.point), 6))

    wanted = sum(len(image.data) for image in images)
    assert 5 * wanted < path.stat().st_size
    # a block before and one behind it
    assert wanted <= bytes_of(requests) <= wanted + 2 * 2**16
    assert {name for name, _ in requests} == {'GetObject'}


def test_a_bag_is_opened_by_its_end_and_small_ranges_that_are_asked_for_together(
    s3, tmp_path, small_blocks, requests, monkeypatch
):
    path = in_chunks(tmp_path / 'drive.mcap')
    source = store(s3, path)
    monkeypatch.setattr(range_reader, '_GAP', 1000)
    together, ask = [], range_reader._request
    monkeypatch.setattr(range_reader, '_request', lambda file, ranges: (
        together.append(len(ranges)), ask(file, ranges))[1])
    requests.clear()

    with Bag(open_in_place(source)) as bag:
        assert [name for name, _ in requests] == [
            'ListObjectsV2', 'HeadObject', 'GetObject', 'GetObject']
        together.clear()
        requests.clear()
        assert len(bag.index((IMAGE, INFO))) == 2 * IMAGES

    # a request for each chunk, all of them at once
    assert together == [IMAGES] and len(requests) == IMAGES
    assert bytes_of(requests) < 100 * IMAGES


def test_ranges_near_each_other_are_one_request(s3, tmp_path, requests):
    path = in_chunks(tmp_path / 'drive.mcap')
    source = store(s3, path)
    with Bag(open_in_place(source)) as bag:
        requests.clear()

        bag.index((IMAGE, INFO))

    assert len(requests) <= path.stat().st_size / 2**20 + 1


def test_a_bag_is_cut_like_the_local_one_and_its_index_is_read_once(
    s3, tmp_path, requests, monkeypatch
):
    monkeypatch.setattr(range_reader, '_GAP', 1000)
    path = in_chunks(tmp_path / 'drive.mcap')
    plan = BagPlan(path, tmp_path / 'new', 'mcap', IMAGE, INFO, segment=10, warm_up=2)
    with Bag(path) as local, Bag(open_in_place(store(s3, path))) as remote:
        requests.clear()

        segments = find_segments(remote, plan)

        assert len(requests) == IMAGES
        assert segments == find_segments(local, plan) and len(segments) == 6
    assert segments[3].start.calibrations


def test_blocks_that_were_read_are_kept(s3, tmp_path, small_blocks, requests):
    source = store(s3, in_chunks(tmp_path / 'drive.mcap'))
    with Bag(open_in_place(source)) as bag:
        first = list(islice(bag.messages(NAMES), 10))
        requests.clear()

        assert list(islice(bag.messages(NAMES), 10)) == first
    assert not requests


def test_a_bag_that_was_replaced_is_noticed_before_its_maps_are_used(s3, tmp_path):
    source = store(s3, in_chunks(tmp_path / 'drive.mcap'))
    reader = RecordingReader()
    bag = reader.open(source, in_place=True)
    messages = bag.messages(NAMES)
    next(messages)
    reader.check()
    store(s3, in_chunks(tmp_path / 'drive.mcap', IMAGES - 1))

    with pytest.raises(RecordingError, match=f'{source.location}: has changed since'):
        reader.check()
    with pytest.raises(RecordingError, match='has changed since'):
        reader.open(source, in_place=True)


def test_a_store_that_fails_is_no_damage_of_the_bag(s3, tmp_path, small_blocks):
    def fail(model, **_):
        raise OSError('the line is dead')

    source = store(s3, in_chunks(tmp_path / 'drive.mcap'))
    events = Address(s3).system.s3.meta.events
    with Bag(open_in_place(source)) as bag:
        expected = list(bag.messages(NAMES))
        messages = bag.messages(NAMES)
        read = list(islice(messages, 10))
        events.register('before-call.s3.GetObject', fail)
        try:
            with pytest.raises(RecordingError) as error:
                list(messages)
            with pytest.raises(RecordingError):
                bag.index(NAMES)
            with pytest.raises(RecordingError):
                Bag(open_in_place(source))
        finally:
            events.unregister('before-call.s3.GetObject', fail)

        assert source.location in str(error.value) and 'the line is dead' in str(error.value)
        assert read == expected[:10] and not bag.damages
        assert list(bag.messages(NAMES)) == expected


def cut_in_store(system, path):
    system.pipe_file(path, system.cat_file(path)[:1_000_000])


@pytest.mark.parametrize('change, reason', [
    (cut_in_store, r'of the 65536 bytes from \d+ on arrived'),
    (lambda system, path: system.rm(path), 'is not there any more'),
])
def test_a_file_that_is_gone_or_shorter_is_an_error(s3, tmp_path, small_blocks, change, reason):
    source = store(s3, in_chunks(tmp_path / 'drive.mcap'))
    with Bag(open_in_place(source)) as bag:
        messages = bag.messages(NAMES)
        next(messages)
        change(fsspec.filesystem('s3'), source.location)

        with pytest.raises(RecordingError, match=f'{source.location}: .*{reason}'):
            list(messages)
        assert not bag.damages


def cut_off(path):
    in_chunks(path)
    path.write_bytes(path.read_bytes()[:-100])
    return path


def pack(path):
    import zstandard

    packed = path.with_name(f'{path.name}.zstd')
    packed.write_bytes(zstandard.ZstdCompressor().compress(in_chunks(path).read_bytes()))
    return packed


@pytest.mark.parametrize('write, name', [
    (cut_off, 'drive.mcap'), (pack, 'drive.mcap'),
    (lambda path: write_camera_bag(path, 5, 'sqlite3'), 'drive'),
])
def test_what_has_no_index_or_is_no_mcap_file_is_not_read_in_place(
    s3, tmp_path, small_blocks, requests, write, name
):
    source = store(s3, write(tmp_path / name))
    requests.clear()

    with pytest.raises(WrongIndexError, match='read a local copy of it'):
        Bag(open_in_place(source))
    assert bytes_of(requests) < 3 * 2**16


def test_a_missing_file_of_a_bag_is_named_as_for_a_local_one(s3, tmp_path):
    path = write_camera_bag(tmp_path / 'drive', 5)
    text = (path / 'metadata.yaml').read_text()
    (path / 'metadata.yaml').write_text(text.replace(
        '  relative_file_paths:\n', '  relative_file_paths:\n  - drive_0.mcap\n'))

    with Bag(path) as local, Bag(open_in_place(store(s3, path))) as remote:
        assert local.damages and remote.damages == local.damages
        assert remote.index(NAMES) is None


def test_a_fetched_copy_of_a_bag_and_the_bag_in_place_are_told_apart(s3, tmp_path):
    source = store(s3, in_chunks(tmp_path / 'drive.mcap'))
    reader = RecordingReader()

    in_place = reader.open(source, in_place=True)
    assert reader.open(source, in_place=True) is in_place
    copy = reader.open(source, in_place=False)

    assert isinstance(copy.path, Path) and copy.path.is_file()
    reader.close()
    assert not copy.path.exists()
