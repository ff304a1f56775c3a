"""The first frames of a recording, which thresholds are calibrated on."""

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Callable, Iterator, Protocol

import numpy as np

from mtshare_ros.errors import FrameError
from mtshare_ros.image_frame import fit_frame, frame_to_cover, Picture, size_of
from mtshare_ros.recording.bag import Bag, choose_image_topic
from mtshare_ros.recording.bag_messages import MessageTypes, read_image, require_decoder
from mtshare_ros.recording.frame_sources import open_source

MOST_FRAMES = 120
"""How many frames of a recording are used: four of the longest refresh periods."""

Say = Callable[[str], None]


class CalibrationRecording(Protocol):
    """A recording to calibrate on, which can be pickled."""

    @property
    def name(self) -> str:
        """Its name in messages and in the model."""

    def frames(self, size: tuple[int, int], say: Say) -> list[np.ndarray]:
        """
        Return the first MOST_FRAMES frames, (H, W, 3) uint8 of ``size``.

        ``say`` is called with a line for each image that is left out. Raises RecordingError for a
        recording that cannot be read, MissingExtraError where a library for it is missing.
        """


@dataclass(frozen=True)
class RecordingChoice:
    """
    A bag, a video or a folder of images to calibrate on.

    ``image_topic`` has the images of a bag; None is the only one that it has.
    """

    path: Path
    is_bag: bool
    image_topic: str | None = None

    @property
    def name(self) -> str:
        """Its name in messages and in the model."""
        return self.path.name

    def frames(self, size: tuple[int, int], say: Say) -> list[np.ndarray]:
        """Return the first frames; see CalibrationRecording."""
        frames = self._of_bag(size, say) if self.is_bag else self._of_files(size, say)
        return list(islice(frames, MOST_FRAMES))

    def _of_bag(self, size: tuple[int, int], say: Say) -> Iterator[np.ndarray]:
        with Bag(self.path, say) as opened:
            topic = choose_image_topic(opened.topics, self.image_topic)
            require_decoder(topic.message_type)
            types = MessageTypes()
            for message in opened.messages((topic.name,)):
                try:
                    image = read_image(types, message.data, topic.message_type, size)
                except FrameError as error:
                    say(f'skipped an image: {error}')
                    continue
                yield _fitted(image.picture, (image.height, image.width), size)

    def _of_files(self, size: tuple[int, int], say: Say) -> Iterator[np.ndarray]:
        for frame in open_source([str(self.path)]).read(_Listener(say)):
            yield _fitted(frame.picture, size_of(frame.picture), size)


def _fitted(
    picture: np.ndarray | Picture, source: tuple[int, int], size: tuple[int, int]
) -> np.ndarray:
    return fit_frame(picture, frame_to_cover(source, size)).copy()


@dataclass(frozen=True)
class _Listener:
    """Says what there is to say about single frames."""

    say: Say

    def skip(self, line: str) -> None:
        """Say that a frame is left out."""
        self.say(f'skipped {line}')

    def note(self, line: str) -> None:
        """Say anything else."""
        self.say(line)
