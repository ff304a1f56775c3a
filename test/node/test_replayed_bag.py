"""A recorded bag, played through the real node, gives the maps that ``mtshare bag`` writes."""

import pytest

pytest.importorskip('rosbags', reason='bags need the extra [bags]')

from bag_files import (  # noqa: E402
    IMAGE,
    INFO,
    read_bytes,
    write_camera_bag,
)
from rclpy.serialization import deserialize_message  # noqa: E402
from ros_messages import stamp_key  # noqa: E402
from sensor_msgs.msg import CameraInfo, Image  # noqa: E402

from mtshare_ros.inference.engine import Engine  # noqa: E402
from mtshare_ros.recording.bag import Bag  # noqa: E402
from mtshare_ros.recording.bag_plan import BagPlan  # noqa: E402
from mtshare_ros.recording.bag_run import BagRun  # noqa: E402
from mtshare_ros.sharing.sharing_settings import SharingSettings  # noqa: E402

FRAMES = 5
# Without sharing no frame depends on which ones came before it.
WHOLE = SharingSettings(temporal=False, task=False, crossover=1.0)
TOPICS = {
    'semantic/mask': Image, 'semantic/confidence': Image, 'depth/image': Image,
    'normals/image': Image, 'edges/image': Image, 'depth/camera_info': CameraInfo,
}


@pytest.fixture
def recorded(tmp_path):
    return write_camera_bag(tmp_path / 'in', FRAMES)


@pytest.fixture
def written(recorded, tiny_model, tmp_path):
    """Compute the maps of the bag and return their messages by topic and stamp."""
    engine = Engine.load(str(tiny_model), device='cpu')
    plan = BagPlan(recorded, tmp_path / 'out', 'mcap', IMAGE, INFO, tuple(TOPICS), sharing=WHOLE)
    with Bag(recorded) as bag:
        BagRun(bag, plan, engine).run()
    found = read_bytes(tmp_path / 'out')
    return {topic: by_stamp(deserialize_message(data, kind) for _, data in found[f'/{topic}'])
            for topic, kind in TOPICS.items()}


def by_stamp(messages):
    return {stamp_key(message): message for message in messages}


def test_the_node_publishes_what_the_bag_holds(stage, tiny_model, recorded, written):
    stage.start_perception(tiny_model, temporal__enabled=False, task__enabled=False)
    observer = stage.observer
    for topic, kind in TOPICS.items():
        observer.listen(topic, kind, depth=10)
    observer.wait_for_outputs(*TOPICS)
    camera = observer.camera()
    calibration = observer.node.create_publisher(CameraInfo, 'camera_info', 1)
    observer.spin_until(calibration.get_subscription_count, 'a subscriber on camera_info')
    bag = read_bytes(recorded)

    for (_, image), (_, info) in zip(bag[IMAGE], bag[INFO]):
        expected = stamp_key(deserialize_message(image, Image))

        def send(image=image, info=info):
            calibration.publish(info)
            camera.publish(image)

        def answered(expected=expected):
            return all(expected in by_stamp(observer.received[topic]) for topic in TOPICS)

        repeat(observer, send, answered)

    for topic, messages in written.items():
        assert len(messages) == FRAMES
        published = by_stamp(observer.received[topic])
        assert all(published[stamp] == message for stamp, message in messages.items()), topic


def repeat(observer, send, answered):
    """Send a recorded frame until every output has answered; the node may still find us."""
    timer = observer.node.create_timer(0.2, send)
    try:
        observer.spin_until(answered, 'the maps of a recorded frame')
    finally:
        observer.node.destroy_timer(timer)
