"""perception.launch.py starts a node that answers in its namespace and ends cleanly."""

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

from mtshare_ros.inference.map_outputs import METRIC_OUTPUTS  # noqa: E402

require_package()
DOMAIN = reserve_domain()
NODE = 'front/perception_node'


@pytest.mark.launch_test
def generate_test_description():
    return launch_file(
        'perception.launch.py', DOMAIN, namespace='front', image='/lens/image',
        model=str(write_model()), device='cpu')


class TestWhileItRuns(unittest.TestCase):
    """The node is active, under its namespace, on the topic it was given."""

    def setUp(self):
        self.observer = observe(self, DOMAIN)

    def test_the_node_activates_itself(self):
        self.observer.wait_for_state('active', NODE)

    def test_every_output_is_offered_in_the_namespace(self):
        self.observer.wait_for_outputs(*(
            f'front/{output.topic}' for output in METRIC_OUTPUTS if not output.latched))

    def test_the_arguments_win_over_the_parameter_file(self):
        assert self.observer.get('device', NODE) == 'cpu'
        assert self.observer.get('model', NODE).endswith('small.safetensors')
        assert self.observer.get('use_sim_time', NODE) is False

    def test_the_parameter_file_sets_the_rest(self):
        assert self.observer.get('input_size', NODE) == [0, 0]

    def test_images_on_the_remapped_topic_are_answered(self):
        self.observer.listen('front/semantic/mask')
        camera = self.observer.camera('/lens/image')

        self.observer.send_until(
            camera, camera_image(480, 640),
            lambda: self.observer.received['front/semantic/mask'], 'a mask')

    def test_large_best_effort_images_are_answered(self):
        self.observer.listen('front/normals/image', reliable=False)
        camera = self.observer.camera('/lens/image', reliable=False)

        self.observer.send_until(
            camera, camera_image(720, 1280),
            lambda: len(self.observer.received['front/normals/image']) > 3, 'normals')


@post_shutdown_test()
class TestAfterItEnded(unittest.TestCase):
    """Nothing was left behind."""

    def test_every_process_ended_with_code_0(self, proc_info):
        asserts.assertExitCodes(proc_info)
