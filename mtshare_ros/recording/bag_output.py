"""The outputs of a frame as the messages of a bag."""

from typing import Any, Iterator

from mtshare_ros.inference.map_outputs import Look, maps_of
from mtshare_ros.inference.prediction import Prediction
from mtshare_ros.messages.camera_info import find_lens_fault, pinhole_of
from mtshare_ros.recording.bag_parts import Channel
from mtshare_ros.recording.message_types import IMAGE, MessageTypes
from mtshare_ros.recording.output_topics import CALIBRATION, FURTHER_TOPICS, LABELS, POINTS
from mtshare_ros.tasks import LabelSet


class FrameMessages:
    """Turns predictions into messages of the relative topics that were asked for."""

    def __init__(
        self, types: MessageTypes, outputs: tuple[str, ...], labels: LabelSet, namespace: str
    ) -> None:
        self._types = types
        self._outputs = outputs
        self._labels = labels
        prefix = f'/{namespace}/' if namespace else '/'
        self._channels = {
            name: types.channel(
                prefix + name, FURTHER_TOPICS.get(name, IMAGE), latched=name == LABELS)
            for name in outputs}
        self._maps = maps_of(outputs)
        self._look = Look(labels.palette())

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The channels of the outputs, as the perception node offers its topics."""
        return tuple(self._channels.values())

    def of_bag(self, header: Any) -> Iterator[tuple[Channel, bytes]]:
        """Make the messages that stand once in a bag: the names of the classes."""
        if LABELS in self._outputs:
            yield self._named(LABELS, self._types.label_info(self._labels, header))

    def of_frame(
        self, prediction: Prediction, header: Any, calibration: Any
    ) -> Iterator[tuple[Channel, bytes]]:
        """Make the messages of one frame, with its header; calibration is that of the maps."""
        for row in self._maps:
            values = row.draw(prediction, self._look)
            yield self._named(row.topic, self._types.image(values, row.encoding, header))
        if calibration is None:
            return
        if CALIBRATION in self._outputs:
            yield self._named(CALIBRATION, calibration)
        if POINTS in self._outputs and POINTS not in self.left_out(calibration):
            depth, image = prediction.depth, prediction.image
            if depth is not None and image is not None:
                camera = pinhole_of(calibration)
                yield self._named(POINTS, self._types.cloud(depth, image, camera, header))

    def left_out(self, calibration: Any) -> tuple[str, ...]:
        """Return what was asked for and cannot be made with a calibration, None for none."""
        if calibration is None:
            impossible = {CALIBRATION, POINTS}
        else:
            impossible = {POINTS} if find_lens_fault(calibration) else set()
        return tuple(topic for topic in self._outputs if topic in impossible)

    def _named(self, topic: str, message: Any) -> tuple[Channel, bytes]:
        return self._channels[topic], self._types.write(message)

