"""The harness of the node tests leaves the memory of the machine as it found it."""

from ros_memory import segments_of
from ros_messages import camera_image


def test_a_killed_node_leaves_no_shared_memory_and_the_observer_keeps_its_own(stage, tiny_model):
    stage.start_perception(tiny_model)
    segments = segments_of(stage.perception.pid)

    stage.perception.kill()

    left = {segment for segment in segments if segment.exists()}
    assert left < segments or not segments
    stage.start_perception(tiny_model)
    stage.observer.listen('edges/image')
    stage.observer.send_until(
        stage.observer.camera(), camera_image(),
        lambda: stage.observer.received['edges/image'], 'edges')
