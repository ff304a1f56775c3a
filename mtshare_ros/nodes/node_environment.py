"""
What processes of nodes take from their environment: large images over DDS, what the camera shows.

It is read when a library is loaded, so whoever starts a node has to set it.
"""

from typing import Mapping

from mtshare_ros.file_paths import share_directory

CURRENT_VARIABLE = 'FASTDDS_DEFAULT_PROFILES_FILE'
FORMER_VARIABLE = 'FASTRTPS_DEFAULT_PROFILES_FILE'
RENDERED_CAMERA = 'MTSHARE_RENDERED_CAMERA'
"""Set where the camera shows rendered rooms: a model that knows nothing else is in place there."""

# Their Fast DDS 2 reads the former name only; version 3 warns about it.
_DISTROS_WITH_FORMER_NAME = ('humble', 'iron', 'jazzy')


def node_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """
    Return the variables to set for a process of a node; what is set already stays as it is.

    They let images above 512 KB through: without the profile Fast DDS loses nearly every
    best-effort message of that size. It acts on the publishing side.
    """
    if CURRENT_VARIABLE in environment or FORMER_VARIABLE in environment:
        return {}
    path = str(share_directory() / 'config' / 'fastdds_large_images.xml')
    names = [CURRENT_VARIABLE]
    if environment.get('ROS_DISTRO') in _DISTROS_WITH_FORMER_NAME:
        names.append(FORMER_VARIABLE)
    return dict.fromkeys(names, path)
