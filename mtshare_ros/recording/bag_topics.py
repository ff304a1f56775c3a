"""Which topics of a bag are the camera."""

from typing import Iterable, Sequence

from mtshare_ros.errors import RecordingError
from mtshare_ros.recording.bag_parts import BagTopic
from mtshare_ros.recording.message_types import CAMERA_INFO
from mtshare_ros.recording.reading_images import IMAGE_TYPES


def choose_image_topic(topics: Sequence[BagTopic], name: str | None) -> BagTopic:
    """Return the topic with this name, or the only image topic; raise RecordingError otherwise."""
    images = [topic for topic in topics if topic.message_type in IMAGE_TYPES]
    if not images:
        raise RecordingError(f'the bag has no topic with images; it has: {_list(topics)}')
    named = [topic for topic in images if topic.name == name]
    if named:
        return named[0]
    names = {topic.name for topic in images}
    if name is None and len(names) == 1:
        return images[0]
    problem = (f'the bag has no image topic {name!r}' if name is not None else
               f'the bag has {len(names)} image topics')
    raise RecordingError(f'{problem}; choose one with --image-topic: {_list(images)}')


def choose_calibration_topic(
    topics: Sequence[BagTopic], name: str | None, image_topic: str
) -> BagTopic | None:
    """
    Return the calibration with this name, or the one beside the images, or the only one.

    Several of which none is beside them are no choice: None. Raises RecordingError for a name
    that is not there.
    """
    infos = {topic.name: topic for topic in topics if topic.message_type == CAMERA_INFO}
    if name is not None:
        if name not in infos:
            raise RecordingError(f'the bag has no camera_info topic {name!r}; it has: '
                                 f'{_list(infos.values())}')
        return infos[name]
    beside = infos.get(_beside(image_topic))
    return next(iter(infos.values())) if len(infos) == 1 else beside


def _beside(image_topic: str) -> str:
    """Return where image_transport puts the calibration: next to the images."""
    base = image_topic.removesuffix('/compressed')
    return f'{base.rpartition("/")[0]}/camera_info'


def _list(topics: Iterable[BagTopic]) -> str:
    texts = [f'{topic.name} ({topic.message_type}, {topic.count} messages)' for topic in topics]
    return ', '.join(texts) or 'nothing'
