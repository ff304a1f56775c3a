"""Semantic, depth, normal and edge maps from one camera, computing only what changed."""

from importlib import import_module
import os
from typing import Any, TYPE_CHECKING

from mtshare_ros.threads import waiting_variables

if TYPE_CHECKING:
    from mtshare_ros.image_frame import Pinhole
    from mtshare_ros.inference.engine import Engine
    from mtshare_ros.inference.prediction import InferenceSettings, Prediction
    from mtshare_ros.motion.motion_settings import MotionSettings
    from mtshare_ros.sharing.sharing_settings import SharingSettings

__version__ = '0.1.0'
__all__ = ['Engine', 'InferenceSettings', 'MotionSettings', 'Pinhole', 'Prediction',
           'SharingSettings']

# OpenMP reads these once, when PyTorch is loaded, and every way to PyTorch leads past here.
os.environ.update(waiting_variables(os.environ))

_HOMES = {
    'Engine': 'mtshare_ros.inference.engine',
    'InferenceSettings': 'mtshare_ros.inference.prediction',
    'MotionSettings': 'mtshare_ros.motion.motion_settings',
    'Pinhole': 'mtshare_ros.image_frame',
    'Prediction': 'mtshare_ros.inference.prediction',
    'SharingSettings': 'mtshare_ros.sharing.sharing_settings',
}
"""The public classes, and the modules that define them."""


def __getattr__(name: str) -> Any:
    """Import a public class when it is first used: the engine loads PyTorch, which takes long."""
    if name not in _HOMES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(_HOMES[name]), name)
