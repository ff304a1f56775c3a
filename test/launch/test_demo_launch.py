"""demo.launch.py starts a simulated camera and the perception node, which see the same frames."""

import unittest

import pytest

asserts = pytest.importorskip(
    'launch_testing.asserts', reason='launch_testing is not installed; it comes with ROS 2')
pytest.importorskip('launch_ros', reason='launch_ros is not installed; it comes with ROS 2')
pytest.importorskip('numba', reason='numba is not installed: mtshare_ros[rooms]')

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

require_package()
DOMAIN = reserve_domain()


@pytest.mark.launch_test
def generate_test_description():
    return launch_file(
        'demo.launch.py', DOMAIN, namespace='demo', model=str(write_model()), motion='pan',
        seed='4', rate='5.0', width='320', height='240', ground_truth='true')


class TestWhileItRuns(unittest.TestCase):
    """Camera and node talk to each other in the namespace."""

    def setUp(self):
        self.observer = observe(self, DOMAIN)

    def test_the_camera_got_its_arguments(self):
        node = 'demo/sim_camera_node'
        values = [self.observer.get(name, node) for name in ('motion', 'seed', 'rate', 'width')]
        assert values == ['pan', 4, 5.0, 320]

    def test_maps_come_with_the_stamps_of_true_maps(self):
        predicted, true = 'demo/depth/image', 'demo/ground_truth/depth/image'
        for topic in (predicted, true):
            self.observer.listen(topic, depth=50)

        def common():
            stamps = [{stamp_key(message) for message in self.observer.received[topic]}
                      for topic in (predicted, true)]
            return set.intersection(*stamps)

        self.observer.spin_until(lambda: len(common()) >= 3, 'maps of the same frames')

    def test_the_maps_have_a_calibration(self):
        self.observer.listen('demo/depth/camera_info', CameraInfo)

        self.observer.spin_until(
            lambda: self.observer.received['demo/depth/camera_info'], 'the calibration')

        info = self.observer.received['demo/depth/camera_info'][0]
        assert (info.width, info.height) == (128, 96) and info.k[0] > 0


@post_shutdown_test()
class TestAfterItEnded(unittest.TestCase):
    """Nothing was left behind."""

    def test_every_process_ended_with_code_0(self, proc_info):
        asserts.assertExitCodes(proc_info)
