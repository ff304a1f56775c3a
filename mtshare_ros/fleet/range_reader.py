"""
Ranges of remote files, read with few requests.

Reading forward is done in blocks, of which the last ones are kept. Small ranges that are known
beforehand, such as the index behind each chunk of a bag, are asked for together.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence

from mtshare_ros.errors import RecordingError
from mtshare_ros.fleet.addresses import Address, reaching
from mtshare_ros.fleet.sources.listings import ListedFile

Range = tuple[int, int]
"""The first byte of a range and that behind its last one."""

_BLOCK = 2**21
"""
Bytes of a block, almost three chunks of rosbag2.

Stores answer in 10 to 50 ms and then send some 50 MB/s, so smaller blocks would mostly wait for
answers. Larger ones would read more in vain: half a block before and half a one behind a segment.
"""

_KEPT_BLOCKS = 16
"""Blocks that are kept: the first of a bag, those of the images, of the poses beside them."""

_GAP = 2**17
"""Bytes between two ranges that take less time than another request, and are read instead."""

_LONGEST = 2**20
"""Bytes up to which ranges are joined."""

_TOGETHER = 64
"""Ranges that are asked for at once; file systems divide them among their connections."""


class RangeReader:
    """
    Reads files of one file system, for one thread.

    As in a local file, there is nothing behind the end. Raises RecordingError for what does not
    arrive.
    """

    def __init__(self) -> None:
        self._blocks: OrderedDict[tuple[str, int], bytes] = OrderedDict()

    def read(self, file: ListedFile, start: int, end: int) -> bytes:
        """Return the bytes of a file from ``start`` to before ``end``, read in blocks."""
        start, end = _inside(file, (start, end))
        if start >= end:
            return b''
        numbers = range(start // _BLOCK, -(-end // _BLOCK))
        missing = [number for number in numbers if (file.location, number) not in self._blocks]
        read = {}
        if missing:
            begin, stop = missing[0] * _BLOCK, (missing[-1] + 1) * _BLOCK
            data, = _request(file, [(begin, min(stop, file.size))])
            read = {begin // _BLOCK + number: data[number * _BLOCK:(number + 1) * _BLOCK]
                    for number in range((stop - begin) // _BLOCK)}
        # held here, as keeping one may drop another
        blocks = {number: read[number] if number in read else self._blocks[file.location, number]
                  for number in numbers}
        for number, block in blocks.items():
            self._keep((file.location, number), block)
        begin = numbers.start * _BLOCK
        return b''.join(blocks.values())[start - begin:end - begin]

    def read_ranges(self, file: ListedFile, ranges: Sequence[Range]) -> Iterator[bytes]:
        """Yield the bytes of many ranges, those near each other read as one."""
        groups = list(_neighbours([_inside(file, one) for one in ranges]))
        for number in range(0, len(groups), _TOGETHER):
            some = groups[number:number + _TOGETHER]
            parts = _request(file, [(group[0][0], group[-1][1]) for group in some])
            for group, data in zip(some, parts):
                begin = group[0][0]
                yield from (data[start - begin:end - begin] for start, end in group)

    def _keep(self, key: tuple[str, int], block: bytes) -> None:
        self._blocks[key] = block
        self._blocks.move_to_end(key)
        if len(self._blocks) > _KEPT_BLOCKS:
            self._blocks.popitem(last=False)


def _inside(file: ListedFile, wanted: Range) -> Range:
    start, end = wanted
    return min(start, file.size), min(end, file.size)


def _neighbours(ranges: Sequence[Range]) -> Iterator[list[Range]]:
    """Yield lists of consecutive ranges that are near each other."""
    group: list[Range] = []
    for start, end in ranges:
        if group and not (0 <= start - group[-1][1] <= _GAP and end - group[0][0] <= _LONGEST):
            yield group
            group = []
        group.append((start, end))
    if group:
        yield group


def _request(file: ListedFile, ranges: Sequence[Range]) -> list[bytes]:
    """Return ranges of a file, in as many requests at once."""
    # stores take an empty range for the whole file
    wanted = [(start, end) for start, end in ranges if start < end]
    parts = _ask(file, wanted)
    for (start, end), part in zip(wanted, parts, strict=True):
        # the object may have been replaced by a shorter one
        if len(part) != end - start:
            raise RecordingError(
                f'{file.location}: {len(part)} of the {end - start} bytes from {start} on '
                'arrived; run the command again when the recording is complete')
    arrived = iter(parts)
    return [next(arrived) if start < end else b'' for start, end in ranges]


def _ask(file: ListedFile, ranges: Sequence[Range]) -> list[bytes]:
    address = Address(file.location)
    try:
        with reaching(file.location, 'read'):
            parts: list[bytes | Exception] = address.system.cat_ranges(
                [address.path] * len(ranges), [start for start, _ in ranges],
                [end for _, end in ranges], on_error='raise')
            # older versions of fsspec return errors all the same
            return [_arrived(part) for part in parts]
    except FileNotFoundError as error:
        raise RecordingError(f'{file.location}: is not there any more') from error


def _arrived(part: bytes | Exception) -> bytes:
    if isinstance(part, Exception):
        raise part
    return part
