"""
The perception node with an engine that fails: failing_node.py FAULT TIMES [ROS arguments].

FAULT is ``memory`` or ``error``; the first TIMES frames after the one that warms up fail. A GPU
that is really full cannot be had in a test, so the engine says what torch would say.
"""

import sys

import torch

from mtshare_ros.inference.engine import Engine
from mtshare_ros.nodes.perception import node as perception_node

FAULTS = {
    'memory': lambda: torch.cuda.OutOfMemoryError('CUDA out of memory'),
    'error': lambda: ValueError('the engine is broken'),
}


def fail_at_first(fault, times):
    """Have the engine fail so many times with frames of a camera, which come with settings."""
    infer, left = Engine.infer, [times]

    def failing(self, frame, session=None, settings=None, *view):
        if settings is not None and left[0] > 0:
            left[0] -= 1
            raise FAULTS[fault]()
        return infer(self, frame, session, settings, *view)

    Engine.infer = failing


if __name__ == '__main__':
    fail_at_first(sys.argv.pop(1), int(sys.argv.pop(1)))
    sys.exit(perception_node.main())
