"""One launch starts one node for two cameras."""

import unittest

import pytest

asserts = pytest.importorskip(
    'launch_testing.asserts', reason='launch_testing is not installed; it comes with ROS 2')
pytest.importorskip('launch_ros', reason='launch_ros is not installed; it comes with ROS 2')

from launch_testing import post_shutdown_test  # noqa: E402
from launching import (  # noqa: E402
    launch_file,
    observe,
    require_package,
    reserve_domain,
    write_model,
)
from ros_messages import camera_image  # noqa: E402

require_package()
DOMAIN = reserve_domain()


@pytest.mark.launch_test
def generate_test_description():
    return launch_file(
        'perception.launch.py', DOMAIN, cameras='front,rear', image='image_raw',
        model=str(write_model()), device='cpu')


class TestWhileItRuns(unittest.TestCase):
    """The node answers each camera on topics of its own."""

    def setUp(self):
        self.observer = observe(self, DOMAIN)

    def test_the_node_knows_its_cameras(self):
        self.observer.wait_for_state('active')

        assert self.observer.get('cameras') == ['front', 'rear']

    def test_each_camera_is_answered_on_its_own_topics(self):
        for camera in ('front', 'rear'):
            inbox = f'{camera}/semantic/mask'
            self.observer.listen(inbox)
            publisher = self.observer.camera(f'{camera}/image_raw')

            self.observer.send_until(
                publisher, camera_image(frame_id=camera),
                lambda inbox=inbox: self.observer.received[inbox], f'a mask of {camera}')

            assert self.observer.received[inbox][0].header.frame_id == camera


@post_shutdown_test()
class TestAfterItEnded(unittest.TestCase):
    """Nothing was left behind."""

    def test_every_process_ended_with_code_0(self, proc_info):
        asserts.assertExitCodes(proc_info)
