"""perception.launch.py plays a video through the node, which answers with its stamps."""

from pathlib import Path
import tempfile
import unittest

import pytest

asserts = pytest.importorskip(
    'launch_testing.asserts', reason='launch_testing is not installed; it comes with ROS 2')
pytest.importorskip('launch_ros', reason='launch_ros is not installed; it comes with ROS 2')
pytest.importorskip('av', reason='videos need the extra [video]')

from launch_testing import post_shutdown_test  # noqa: E402
from launching import (  # noqa: E402
    launch_file,
    observe,
    require_package,
    reserve_domain,
    write_model,
)
from ros_messages import stamp_key  # noqa: E402
from sensor_msgs.msg import CameraInfo  # noqa: E402
from video_files import write_numbered  # noqa: E402

require_package()
DOMAIN = reserve_domain()
FOLDER = tempfile.TemporaryDirectory()


@pytest.mark.launch_test
def generate_test_description():
    # a name that YAML takes for a number
    video = write_numbered(Path(FOLDER.name) / '7.mp4', 20).rename(Path(FOLDER.name) / '7')
    return launch_file(
        'perception.launch.py', DOMAIN, namespace='hall', image='lens/image',
        model=str(write_model()), video=str(video), video_rate='10.0', field_of_view='60.0')


class TestWhileItRuns(unittest.TestCase):
    """Camera and node talk to each other in the namespace."""

    def setUp(self):
        self.observer = observe(self, DOMAIN)

    def test_the_camera_got_its_arguments(self):
        node = 'hall/video_camera_node'
        assert self.observer.get('rate', node) == 10.0
        assert self.observer.get('video', node).endswith('/7')

    def test_maps_come_with_the_stamps_of_the_images(self):
        topics = 'hall/lens/image', 'hall/depth/image'
        for topic in topics:
            self.observer.listen(topic, depth=50)

        def common():
            return set.intersection(*(
                {stamp_key(message) for message in self.observer.received[topic]}
                for topic in topics))

        self.observer.spin_until(lambda: len(common()) >= 3, 'maps of the images')

    def test_the_maps_have_a_calibration(self):
        self.observer.listen('hall/depth/camera_info', CameraInfo)

        self.observer.spin_until(
            lambda: self.observer.received['hall/depth/camera_info'], 'the calibration')

        assert self.observer.received['hall/depth/camera_info'][0].k[0] > 0


@post_shutdown_test()
class TestAfterItEnded(unittest.TestCase):
    """Nothing was left behind."""

    def test_every_process_ended_with_code_0(self, proc_info):
        asserts.assertExitCodes(proc_info)
