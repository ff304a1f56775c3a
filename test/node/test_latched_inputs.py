"""What was published before the node came arrives, beside publishers that keep nothing."""

import pytest
from rclpy.qos import DurabilityPolicy
from ros_messages import camera_calibration, camera_image, profile, stamped
from sensor_msgs.msg import CameraInfo, PointCloud2

LATCHED, STREAMED = 'latched', 'streamed'
PERIOD_S = 0.1
OVERRIDES = {
    f'qos_overrides./{LATCHED}/image.subscription.{policy}': value
    for policy, value in {'durability': 'transient_local', 'reliability': 'reliable',
                          'deadline': '1'}.items()
}


def latched(observer, message, topic):
    """Publish a message once, for everybody who comes later; return the publisher."""
    kept = profile(reliable=True)
    kept.durability = DurabilityPolicy.TRANSIENT_LOCAL
    publisher = observer.node.create_publisher(type(message), f'{LATCHED}/{topic}', kept)
    publisher.publish(message)
    return publisher


@pytest.mark.fault(15)
def test_calibrations_arrive_latched_before_the_start_and_streamed_after_it(stage, tiny_model):
    observer = stage.observer
    inboxes = []
    for camera in (LATCHED, STREAMED):
        observer.listen(f'{camera}/depth/points', PointCloud2)
        inboxes.append(observer.received[f'{camera}/depth/points'])
    latched(observer, camera_calibration(), 'camera_info')
    latched_image = latched(observer, stamped(camera_image(), observer.now()), 'image')

    stage.start_perception(
        tiny_model, cameras=f'[{LATCHED},{STREAMED}]', lazy=False, **OVERRIDES)

    # with the parameters for it, an image that was sent before the start arrives as well
    observer.diagnose('processed', '1', LATCHED)
    streamed_image = observer.camera(f'{STREAMED}/image', reliable=False)
    info = observer.node.create_publisher(
        CameraInfo, f'{STREAMED}/camera_info', profile(reliable=False))

    def send():
        latched_image.publish(stamped(camera_image(), observer.now()))
        info.publish(stamped(camera_calibration(), observer.now()))

    observer.node.create_timer(PERIOD_S, send)
    observer.send_until(streamed_image, camera_image(), lambda: all(inboxes), 'points of both')
    assert stage.perception.count_lines('.deadline has no effect', 'durability') == 1
    assert stage.perception.count_lines('incompatible QoS') == 0
