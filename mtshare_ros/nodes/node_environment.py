"""
Environment variables of the nodes: a Fast DDS profile for large images, and what a camera shows.

Libraries read them when they are loaded, so they have to be set before a node starts.
"""

from typing import Mapping

from mtshare_ros.file_paths import share_directory

CURRENT_VARIABLE = 'FASTDDS_DEFAULT_PROFILES_FILE'
FORMER_VARIABLE = 'FASTRTPS_DEFAULT_PROFILES_FILE'
RENDERED_CAMERA = 'MTSHARE_RENDERED_CAMERA'
"""Set where the camera shows rendered rooms, for which a model trained on such rooms is right."""

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
