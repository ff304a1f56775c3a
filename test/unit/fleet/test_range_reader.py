"""Ranges of remote files are the bytes of a local file, whichever were read before."""

from hypothesis import given, settings, strategies as st
import pytest

pytest.importorskip('fsspec', reason='needs the extra [fleet]')

from fsspec.implementations.memory import MemoryFileSystem  # noqa: E402

from mtshare_ros.errors import RecordingError  # noqa: E402
from mtshare_ros.fleet import range_reader  # noqa: E402
from mtshare_ros.fleet.range_reader import RangeReader  # noqa: E402
from mtshare_ros.fleet.sources.listings import ListedFile  # noqa: E402

# borders of blocks and ends of files are hit often where both are small
BLOCK, KEPT, GAP, LONGEST, TOGETHER = 4, 2, 2, 6, 3
SIZES = st.integers(0, 5 * BLOCK)
RANGES = st.lists(st.tuples(st.integers(0, 6 * BLOCK), st.integers(0, 6 * BLOCK)).map(sorted))


@pytest.fixture(scope='module', autouse=True)
def small_blocks():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(range_reader, '_BLOCK', BLOCK)
        patch.setattr(range_reader, '_KEPT_BLOCKS', KEPT)
        patch.setattr(range_reader, '_GAP', GAP)
        patch.setattr(range_reader, '_LONGEST', LONGEST)
        patch.setattr(range_reader, '_TOGETHER', TOGETHER)
        yield


@pytest.fixture(scope='module')
def asked(small_blocks):
    """Return a list that gets the ranges that are asked for, a list of them at once."""
    found, ask = [], range_reader._ask

    def note(file, ranges):
        found.append(list(ranges))
        return ask(file, ranges)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(range_reader, '_ask', note)
        yield found


def stored(size):
    """Return the bytes of a file, and it in a store."""
    data = bytes(range(1, size + 1))
    MemoryFileSystem().pipe_file('/drive.mcap', data)
    return data, ListedFile('memory://drive.mcap', size, 'tag')


@settings(max_examples=100, deadline=None)
@given(size=SIZES, ranges=RANGES)
def test_blocks_hold_what_a_local_file_holds(asked, size, ranges):
    data, file = stored(size)
    reader = RangeReader()
    asked.clear()

    for start, end in ranges:
        assert reader.read(file, start, end) == data[start:end]
        assert len(reader._blocks) <= KEPT
    assert all(start % BLOCK == 0 and start < end <= size for [(start, end)] in asked)


@settings(max_examples=100, deadline=None)
@given(size=SIZES, ranges=RANGES)
def test_ranges_hold_what_a_local_file_holds(asked, size, ranges):
    data, file = stored(size)
    asked.clear()

    found = list(RangeReader().read_ranges(file, ranges))

    assert found == [data[start:end] for start, end in ranges]
    assert all(len(together) <= TOGETHER for together in asked)
    assert all(start < end <= size for together in asked for start, end in together)


def test_blocks_that_are_kept_are_not_asked_for_again(asked):
    data, file = stored(4 * BLOCK)
    reader = RangeReader()
    reader.read(file, 0, 1)
    reader.read(file, BLOCK, BLOCK + 1)
    reader.read(file, 1, 2)
    asked.clear()

    # the block that was used last is kept, and the other one makes room
    reader.read(file, 3 * BLOCK - 1, 3 * BLOCK)
    reader.read(file, 2, 3)
    assert asked == [[(2 * BLOCK, 3 * BLOCK)]]

    # one before the missing block and one behind it
    assert reader.read(file, 0, 3 * BLOCK) == data[:3 * BLOCK]
    assert asked[1:] == [[(BLOCK, 2 * BLOCK)]]


@pytest.mark.parametrize('error, reason', [
    (OSError('the line is dead'), 'cannot be read: the line is dead; check the address'),
    (FileNotFoundError('drive.mcap'), 'is not there any more'),
])
def test_errors_that_a_file_system_returns_are_told(monkeypatch, error, reason):
    _, file = stored(4 * BLOCK)
    monkeypatch.setattr(
        MemoryFileSystem, 'cat_ranges', lambda *_, **options: [error])

    with pytest.raises(RecordingError, match=f'^memory://drive.mcap: {reason}'):
        RangeReader().read(file, 0, 1)
