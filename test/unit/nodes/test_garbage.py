"""A node that was cleaned up keeps nothing of its model."""

import gc
import weakref

import pytest
import rclpy

from mtshare_ros.nodes.perception.node import PerceptionNode


@pytest.fixture
def node(tiny_model):
    """Lend an unconfigured perception node in this process."""
    rclpy.init(domain_id=101, args=[
        '--ros-args', '-p', f'model:={tiny_model}', '-p', 'device:=cpu',
        '-p', 'input_size:=[96, 128]', '-p', 'autostart:=false'])
    made = PerceptionNode()
    yield made
    made.destroy_node()
    rclpy.shutdown()


@pytest.fixture
def no_automatic_collection():
    """Leave garbage where it is, as Python does for hours with objects that have lived long."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_the_network_of_a_former_life_is_freed(node, no_automatic_collection):
    node.trigger_configure()
    network = weakref.ref(node._engine)
    node.trigger_activate()
    node.trigger_deactivate()
    node.trigger_cleanup()

    assert network() is None


def test_the_memory_of_a_camera_is_freed_by_a_pause(node, no_automatic_collection):
    node.trigger_configure()
    node.trigger_activate()
    session = weakref.ref(node._cameras[0].stream._pipeline._session)
    node.trigger_deactivate()

    assert session() is None
