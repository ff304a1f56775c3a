"""Semantic, depth, normal and edge maps from one camera, computing only what changed."""

import os

from mtshare_ros.threads import waiting_variables

__version__ = '0.1.0'

# OpenMP reads these once, when PyTorch is loaded, and every way to PyTorch leads past here.
os.environ.update(waiting_variables(os.environ))
