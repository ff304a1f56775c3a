"""What a fleet computes of every recording."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
import hashlib
import json
from pathlib import Path
from typing import Any

from mtshare_ros.errors import ConfigError
from mtshare_ros.fleet.shards.columns import columns_of
from mtshare_ros.fleet.shards.formats import SHARD_FORMATS
from mtshare_ros.fleet.worker_model import WorkerModel
from mtshare_ros.motion.motion_settings import MotionSettings
from mtshare_ros.recording.bag import Bag, choose_calibration_topic, choose_image_topic
from mtshare_ros.recording.bag_parts import BagTopic
from mtshare_ros.recording.bag_plan import BagPlan
from mtshare_ros.recording.recorded_poses import PoseChoice
from mtshare_ros.recording.recording import Recording
from mtshare_ros.sharing.sharing_settings import SharingSettings

BAG, SUMMARY = 'bag', 'summary'
"""What is written of a recording besides SHARD_FORMATS: a bag, or nothing but its statistics."""


@dataclass(frozen=True)
class FleetSettings:
    """
    The options of a fleet that its results depend on; every worker gets them.

    ``sharing`` None computes only what changed in bags and videos, and images of a folder whole.
    ``topics`` is the text of ``--topics``, None for the default. ``threads`` are those of a
    worker. ``compare`` is a second model, None for none. ``image_topic`` may name several, with
    commas between; of each bag the first is used that it has. Raises ConfigError for options that
    the format has no use for.
    """

    model: WorkerModel
    output_format: str = BAG
    topics: str | None = None
    image_topic: str | None = None
    camera_info_topic: str | None = None
    camera_matrix: str = 'auto'
    namespace: str = ''
    storage: str | None = None
    copy_input: bool = False
    segment: int = 250
    warm_up: int = 0
    sharing: bool | None = None
    shared: SharingSettings = SharingSettings(crossover=1.0)
    motion: MotionSettings = MotionSettings()
    threads: int = 1
    compare: WorkerModel | None = None
    pose: PoseChoice = PoseChoice()

    def __post_init__(self) -> None:
        """Refuse what the format cannot show, before any work."""
        is_shard = self.output_format in SHARD_FORMATS
        if is_shard and self.topics is not None:
            columns_of(self.topics.split(','))
        if self.pose.given and not is_shard:
            raise ConfigError(
                f'--pose-topic and --pose-frame fill a column of shards, but --format is '
                f'{self.output_format}; give --format {" or ".join(SHARD_FORMATS)}, or no pose')
        for_bags = {'--copy-input': self.copy_input, '--storage': self.storage,
                    '--namespace': self.namespace}
        unused = [option for option, value in for_bags.items() if value]
        if unused and self.output_format != BAG:
            raise ConfigError(f'{" and ".join(unused)}: only bags have that, but --format is '
                              f'{self.output_format}; leave it out, or give --format {BAG}')

    def identity(self) -> dict[str, Any]:
        """Return what must be equal for a run to go on with an interrupted one, by name."""
        values = {**asdict(self), 'model': _identity_of(self.model),
                  'compare': _identity_of(self.compare) if self.compare else None}
        return {name.replace('_', ' '): value for name, value in values.items()}

    def digest(self) -> str:
        """Return a digest of the identity."""
        text = json.dumps(self.identity(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def plan(self, recording: Recording, target: Path) -> BagPlan:
        """
        Return the plan of a recording; its outputs are still to be chosen.

        ``target`` gives the files of the new bag their name. Raises RecordingError where the
        recording has no such topics.
        """
        # videos and folders of images have one topic, and none to choose
        chooses = isinstance(recording, Bag)
        images = choose_image_topic(
            recording.topics, self._image_topic_among(recording.topics) if chooses else None)
        infos = choose_calibration_topic(
            recording.topics, self.camera_info_topic if chooses else None, images.name)
        shares = recording.continuous if self.sharing is None else self.sharing
        return BagPlan(
            Path(str(recording.path)), target, self.storage or recording.storage, images.name,
            infos.name if infos is not None else '', namespace=self.namespace,
            copy_input=self.copy_input, segment=self.segment, warm_up=self.warm_up,
            camera_matrix=self.camera_matrix,
            sharing=replace(self.shared, temporal=shares, task=shares),
            # images of a folder have no order in time
            motion=self.motion if recording.continuous else MotionSettings())

    def _image_topic_among(self, topics: Sequence[BagTopic]) -> str | None:
        """Return the first wanted image topic that is there, else the first; None for any."""
        if self.image_topic is None:
            return None
        wanted = [name.strip() for name in self.image_topic.split(',')]
        there = {topic.name for topic in topics}
        return next((name for name in wanted if name in there), wanted[0])


def _identity_of(model: WorkerModel) -> dict[str, Any]:
    """Return what is to be equal of a model, not its name: the file may lie elsewhere."""
    return {name: value for name, value in asdict(model).items() if name != 'name'}
