"""
What nodes find where they run: environment variables, and optional message packages.

Libraries read the variables when they are loaded, so they have to be set before a node starts.
"""

from importlib import import_module
import os
from typing import Any, Mapping

from mtshare_ros.file_paths import share_directory

CURRENT_VARIABLE = 'FASTDDS_DEFAULT_PROFILES_FILE'
FORMER_VARIABLE = 'FASTRTPS_DEFAULT_PROFILES_FILE'
RENDERED_CAMERA = 'MTSHARE_RENDERED_CAMERA'
"""Set where the camera shows rendered rooms, for which a model trained on such rooms is right."""

_OPTIONAL_MESSAGES = {'tf2_msgs': 'tf2_msgs.msg', 'vision_msgs': 'vision_msgs.msg'}
"""The modules of message packages that the node can do without."""

# Fast DDS 2 of these distributions reads only the former name; version 3 warns about it.
_DISTROS_WITH_FORMER_NAME = ('humble', 'iron', 'jazzy')


def node_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """
    Return the variables to set for a process of a node, none where a profile is set already.

    Without the profile Fast DDS loses nearly every best-effort message above 512 KB. The process
    that publishes needs it.
    """
    if CURRENT_VARIABLE in environment or FORMER_VARIABLE in environment:
        return {}
    path = str(share_directory() / 'config' / 'fastdds_large_images.xml')
    names = [CURRENT_VARIABLE]
    if environment.get('ROS_DISTRO') in _DISTROS_WITH_FORMER_NAME:
        names.append(FORMER_VARIABLE)
    return dict.fromkeys(names, path)


def optional_messages(package: str) -> Any:
    """Return the module of an optional message package, None where that is not installed."""
    try:
        return import_module(_OPTIONAL_MESSAGES[package])
    except ModuleNotFoundError:
        return None


def absence_of(package: str) -> str:
    """Return how to install a message package that is missing, or an empty text."""
    if optional_messages(package) is not None:
        return ''
    apt = f'ros-{os.environ.get("ROS_DISTRO", "<distro>")}-{package.replace("_", "-")}'
    return f'the message package {package} is not installed; apt install {apt} brings it'
