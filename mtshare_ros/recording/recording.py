"""Recordings of any kind: bags, videos and folders of images, read in the same way."""

from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Callable, Collection, Iterator, Protocol, Sequence

from mtshare_ros.image_files import IMAGE_ENDINGS
from mtshare_ros.recording.bag import Bag
from mtshare_ros.recording.bag_folder import METADATA
from mtshare_ros.recording.bag_parts import (
    BagMessage,
    BagTopic,
    Channel,
    Damage,
    IndexEntry,
    is_ros1_bag,
    SeekPoint,
    storage_of,
)
from mtshare_ros.recording.frame_bag import ImageBag, VideoBag
from mtshare_ros.recording.frame_sources import is_animation
from mtshare_ros.recording.remote_path import BagPath

VIDEO_ENDINGS = (
    '.mp4', '.m4v', '.mov', '.mkv', '.webm', '.avi', '.mpg', '.mpeg', '.m2v', '.ts', '.mts',
    '.m2ts', '.wmv', '.asf', '.flv', '.ogv', '.3gp', '.h264', '.264', '.h265', '.265', '.hevc',
    '.mjpeg', '.mjpg', '.ivf', '.y4m',
)
"""How the names of video files end, in small letters."""

KINDS = ('bag', 'video', 'images')
"""The kinds of recordings."""


class Recording(Protocol):
    """
    Recorded messages, among them images.

    ``topics`` counts the messages that can be read, ``lost`` for each topic those that should be
    there and are not. ``storage`` is the one that a new bag of it has unless another is wanted.
    ``damages`` say what is missing, and after reading also what could not be read; ``notices`` are
    messages for the user about how it is read. ``continuous`` says that its images follow each
    other in time, ``counted`` that the numbers of ``topics`` are exact.
    """

    storage: str
    distro: str
    start_ns: int
    continuous: bool
    counted: bool
    channels: tuple[Channel, ...]
    topics: tuple[BagTopic, ...]
    damages: list[Damage]
    lost: Counter[str]
    notices: list[str]

    @property
    def path(self) -> BagPath:
        """Where it is."""

    def messages(
        self, names: Collection[str], start_s: float | None = None, end_s: float | None = None
    ) -> Iterator[BagMessage]:
        """Yield the messages of topics, from ``start_s`` to before ``end_s`` of its time."""

    def messages_from(self, names: Collection[str], point: SeekPoint) -> Iterator[BagMessage]:
        """
        Yield the messages of topics from a point on that their index has.

        Raises WrongIndexError where the index proves wrong.
        """

    def index(self, names: Collection[str]) -> Sequence[IndexEntry] | None:
        """
        Return the index of the messages of topics, in the order of ``messages``.

        Returns None where it is not certain, as in damaged files.
        """

    def close(self) -> None:
        """Remove and close what reading needed."""

    def __enter__(self) -> 'Recording': ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def kind_of(path: Path) -> str:
    """Return the kind of a recording; what is neither video nor images is taken for a bag."""
    if path.is_dir():
        files = list(path.iterdir())
        # a bag may lie beside pictures of it
        if any(file.name == METADATA or storage_of(file) for file in files):
            return 'bag'
        shown = (file for file in files if not file.name.startswith('.'))
        return 'images' if any(_has(file, IMAGE_ENDINGS) for file in shown) else 'bag'
    if not path.is_file() or storage_of(path) or is_ros1_bag(path):
        return 'bag'
    if _has(path, VIDEO_ENDINGS) or is_animation(path):
        return 'video'
    return 'images' if _has(path, IMAGE_ENDINGS) else 'bag'


def open_recording(
    path: Path, say: Callable[[str], None] = lambda line: None, kind: str = ''
) -> Recording:
    """
    Open a recording of a kind, one of KINDS, empty for the kind that it has by its files.

    ``say`` gets messages for the user. Raises RecordingError for what is none.
    """
    kind = kind or kind_of(path)
    if kind == 'video':
        return VideoBag(path, say)
    return ImageBag(path, say) if kind == 'images' else Bag(path, say)


def _has(path: Path, endings: Sequence[str]) -> bool:
    return path.suffix.lower() in endings and path.is_file()
