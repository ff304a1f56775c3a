"""A node that dies comes back by itself, and what was latched is there again."""

import os
import signal
import unittest

import pytest

pytest.importorskip(
    'launch_testing', reason='launch_testing is not installed; it comes with ROS 2')
pytest.importorskip('launch_ros', reason='launch_ros is not installed; it comes with ROS 2')

from launching import (  # noqa: E402
    launch_file,
    observe,
    require_package,
    reserve_domain,
    write_model,
)
from ros_messages import camera_image, stamp_key  # noqa: E402

require_package()
DOMAIN = reserve_domain()


@pytest.mark.launch_test
def generate_test_description():
    return launch_file(
        'perception.launch.py', DOMAIN, model=str(write_model()), device='cpu', respawn='true')


@pytest.mark.fault(26)
class TestWhileItRuns(unittest.TestCase):
    """The process is killed, not asked to end."""

    def test_a_killed_node_publishes_again(self, proc_info):
        observer = observe(self, DOMAIN)
        observer.listen('edges/image')
        camera = observer.camera()
        self.answer(observer, camera)

        os.kill(self.newest_process(proc_info), signal.SIGKILL)

        self.answer(observer, camera)

    def answer(self, observer, camera):
        """Wait for the edges of an image that is sent from now on."""
        now = observer.now()
        observer.send_until(
            camera, camera_image(), what='edges of a new image',
            condition=lambda: any(stamp_key(message) > (now.sec, now.nanosec)
                                  for message in observer.received['edges/image']))

    def newest_process(self, proc_info):
        return proc_info[[name for name in proc_info.process_names()
                          if 'perception_node' in name][-1]].pid
