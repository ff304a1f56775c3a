"""Compressed storage files, unpacked one at a time, and compressed messages."""

from collections import Counter
from pathlib import Path
import shutil
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, Callable, Collection, Iterator, Sequence

from mtshare_ros.errors import import_extra, RecordingError
from mtshare_ros.recording.bag_parts import BagMessage, Channel, ReadingError, StorageFile

_BLOCK = 8192  # packed bytes; few, as they can become many more
# bytes to leave free beside an unpacked file
_SPARE = 2**26


class Unpacker:
    """Keeps the last unpacked file in a temporary folder, which ``close`` removes."""

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix='mtshare_')
        self._held: tuple[Path, Path, str] | None = None
        self._zstd = import_extra('zstandard', 'reading a bag with file compression', 'bags')

    @property
    def folder(self) -> Path:
        """The temporary folder."""
        return Path(self._folder.name)

    def unpack(self, packed: Path) -> tuple[Path, str]:
        """Return the unpacked file, and why it is not whole, empty if it is."""
        if self._held is None or self._held[0] != packed:
            if self._held is not None:
                self._held[1].unlink(missing_ok=True)
            target = self.folder / packed.stem
            self._held = packed, target, self._write(packed, target)
        return self._held[1:]

    def close(self) -> None:
        """Remove the temporary folder."""
        self._folder.cleanup()

    def _write(self, packed: Path, target: Path) -> str:
        with packed.open('rb') as source, target.open('wb') as sink:
            self._check_space(packed, source)
            try:
                return self._copy(source, sink)
            except self._zstd.ZstdError as error:
                return str(error)
            except OSError as error:
                raise RecordingError(
                    f'{packed}: cannot be unpacked into {self.folder}: {error.strerror}; set '
                    'TMPDIR to a folder with more space') from error

    def _copy(self, source: BinaryIO, sink: BinaryIO) -> str:
        """Unpack frame after frame; return what is wrong with the last one."""
        frame = None
        while block := source.read(_BLOCK):
            while block:
                frame = frame or self._zstd.ZstdDecompressor().decompressobj()
                sink.write(frame.decompress(block))
                block = frame.unused_data if frame.eof else b''
                frame = None if frame.eof else frame
        return 'the compressed file ends too early' if frame is not None else ''

    def _check_space(self, packed: Path, source: BinaryIO) -> None:
        # the longest header of a zstd frame
        start = source.read(18)
        source.seek(0)
        try:
            size = self._zstd.frame_content_size(start)
        except self._zstd.ZstdError:
            return  # unpacking it reports the same error
        # the size is -1 where the header does not tell it; then only a disk that is full already
        # is refused
        free = shutil.disk_usage(self.folder).free
        if size + _SPARE > free:
            raise RecordingError(
                f'{packed}: takes {size / 1e9:.1f} GB unpacked, {self.folder.parent} has '
                f'{free / 1e9:.1f} GB free; set TMPDIR to a folder with more space')


class PackedFile:
    """A compressed storage file, unpacked again when it is read after another one."""

    def __init__(
        self, path: Path, unpacker: Unpacker, read: Callable[[Path], StorageFile]
    ) -> None:
        self._path = path
        self._unpacker = unpacker
        unpacked, self._fault = unpacker.unpack(path)
        self._file = read(unpacked)
        self.counts: Counter[Channel] = Counter(self._file.counts)
        self.start_ns, self.end_ns = self._file.start_ns, self._file.end_ns
        self.note, self.distro = self._file.note, self._file.distro

    def messages(
        self, topics: Collection[str], start_ns: int | None, stop_ns: int | None
    ) -> Iterator[BagMessage]:
        """Yield the messages of topics; raise ReadingError where the file is damaged."""
        self._unpacker.unpack(self._path)
        yield from self._file.messages(topics, start_ns, stop_ns)
        if self._fault:
            raise ReadingError(self._fault, self._path.name)

    def index(self, topics: Collection[str]) -> Sequence[tuple[Channel, int]] | None:
        """Return None: the whole file is unpacked for any part of it."""
        return None


def unpack_message(data: bytes) -> bytes:
    """
    Return the bytes of a CDR message, unpacked if they are compressed.

    Compression is recognised by the first bytes, with which CDR never begins, so metadata.yaml is
    not needed. Raises ValueError for what cannot be unpacked.
    """
    if not data.startswith(_ZSTD_START):
        return data
    zstd: Any = import_extra('zstandard', 'reading a bag with message compression', 'bags')
    try:
        whole: bytes = zstd.ZstdDecompressor().decompress(data, max_output_size=_LARGEST_MESSAGE)
    except zstd.ZstdError as error:
        raise ValueError(f'the compressed message cannot be unpacked: {error}') from error
    return whole


_ZSTD_START = b'\x28\xb5\x2f\xfd'
_LARGEST_MESSAGE = 2**30
