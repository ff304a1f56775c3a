"""replay.launch.py plays a bag through the node, on the clock of the bag."""

import os
from pathlib import Path
import stat
import sys
import tempfile
import unittest

import pytest

asserts = pytest.importorskip(
    'launch_testing.asserts', reason='launch_testing is not installed; it comes with ROS 2')
pytest.importorskip('launch_ros', reason='launch_ros is not installed; it comes with ROS 2')
pytest.importorskip('rosbags', reason='bags need the extra [bags]')

from bag_files import START_NS, write_camera_bag  # noqa: E402
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
PLAYER = Path(__file__).with_name('play_bag.py')


def put_stand_in_first(folder):
    """Let ``ros2`` be the stand-in of this folder for the processes that are launched."""
    script = folder / 'ros2'
    script.write_text(f'#!/bin/sh\nexec {sys.executable} {PLAYER} "$@"\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    os.environ['PATH'] = f'{folder}{os.pathsep}{os.environ["PATH"]}'


@pytest.mark.launch_test
def generate_test_description():
    folder = Path(tempfile.mkdtemp())
    put_stand_in_first(folder)
    return launch_file(
        'replay.launch.py', DOMAIN, bag=str(write_camera_bag(folder / 'in', 5)), loop='true',
        delay='0.5', image='/camera/image_raw', camera_info='/camera/camera_info',
        model=str(write_model()), device='cpu')


class TestWhileItRuns(unittest.TestCase):
    """Node and player meet on the topics of the bag and on its clock."""

    def setUp(self):
        self.observer = observe(self, DOMAIN)

    def test_the_node_follows_the_clock_of_the_bag(self):
        assert self.observer.get('use_sim_time', 'perception_node') is True

    def test_maps_have_stamps_of_the_bag(self):
        self.observer.listen('depth/image')
        self.observer.listen('depth/camera_info', CameraInfo)

        self.observer.spin_until(lambda: all(self.observer.received.values()), 'depth of the bag')

        seconds, _ = stamp_key(self.observer.received['depth/image'][0])
        assert seconds == START_NS // 10**9


@post_shutdown_test()
class TestAfterItEnded(unittest.TestCase):
    """Nothing was left behind."""

    def test_every_process_ended_with_code_0(self, proc_info):
        asserts.assertExitCodes(proc_info)
