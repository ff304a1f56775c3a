"""The harness of the node tests leaves the memory of the machine as it found it."""

import os

from ros_memory import segments_of


def test_a_killed_node_leaves_no_shared_memory_and_the_observer_keeps_its_own(stage, tiny_model):
    stage.start_perception(tiny_model)
    segments = segments_of(stage.perception.pid)

    stage.perception.kill()

    left = {segment for segment in segments if segment.exists()}
    assert left == segments & segments_of(os.getpid())
