"""Which outputs are written, and what has to be computed for them."""

from typing import Iterable

from mtshare_ros.errors import ConfigError
from mtshare_ros.inference.map_outputs import MAPS
from mtshare_ros.recording.message_types import CAMERA_INFO, LABEL_INFO, POINT_CLOUD

CALIBRATION, POINTS, LABELS = 'depth/camera_info', 'depth/points', 'semantic/label_info'
FURTHER_TOPICS = {CALIBRATION: CAMERA_INFO, POINTS: POINT_CLOUD, LABELS: LABEL_INFO}
"""What a bag can hold besides the maps: relative topics and their types."""

MAP_TOPICS = tuple(row.topic for row in MAPS)
BAG_TOPICS = (*MAP_TOPICS, *FURTHER_TOPICS)
DEFAULT_TOPICS = (*(row.topic for row in MAPS if not row.companion), CALIBRATION, LABELS)
"""The maps themselves, with what is needed to read them; no pictures, and no cloud."""


def choose_outputs(
    text: str | None, known: Iterable[str], tasks: Iterable[str], relative: bool = False
) -> tuple[str, ...]:
    """
    Return the relative topics that a text names, with commas, in the order of ``known``.

    None chooses those of DEFAULT_TOPICS; what a model without a task, or with depth that is
    ``relative``, cannot have is left out.
    Raises ConfigError for a topic that there is not.
    """
    offered = [topic for topic in known if task_of(topic) in {'', *tasks}
               and relative_of(topic) in (None, relative)]
    if text is None:
        return tuple(topic for topic in offered if topic in DEFAULT_TOPICS)
    names = [name.strip() for name in text.split(',') if name.strip()]
    unknown = [name for name in names if name not in offered]
    if unknown or not names:
        raise ConfigError(f'--topics is {text!r}; allowed is a list, with commas, of '
                          f'{", ".join(offered)}')
    return tuple(topic for topic in offered if topic in names)


def relative_of(topic: str) -> bool | None:
    """Return whether a topic is for depth that is relative, or is not, None where it fits both."""
    if topic in FURTHER_TOPICS:
        return False if topic == POINTS else None
    return next(row.relative for row in MAPS if row.topic == topic)


def task_of(topic: str) -> str:
    """Return the task whose maps a topic shows, empty for what shows all of them."""
    if topic in FURTHER_TOPICS:
        return 'semseg' if topic == LABELS else 'depth'
    return next(row.task for row in MAPS if row.topic == topic)
