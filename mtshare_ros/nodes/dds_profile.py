"""The transport profile that lets images larger than 512 KB through Fast DDS."""

from typing import Mapping

from mtshare_ros.resources import share_directory

CURRENT_VARIABLE = 'FASTDDS_DEFAULT_PROFILES_FILE'
FORMER_VARIABLE = 'FASTRTPS_DEFAULT_PROFILES_FILE'

# Their Fast DDS 2 reads the former name only; version 3 warns about it.
_DISTROS_WITH_FORMER_NAME = ('humble', 'iron', 'jazzy')


def profile_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """
    Return the variables to set for a process that publishes images.

    Empty where the environment names a profile already. Without the profile Fast DDS loses
    nearly every best-effort message above 512 KB; it acts on the publishing side.
    """
    if CURRENT_VARIABLE in environment or FORMER_VARIABLE in environment:
        return {}
    path = str(share_directory() / 'config' / 'fastdds_large_images.xml')
    names = [CURRENT_VARIABLE]
    if environment.get('ROS_DISTRO') in _DISTROS_WITH_FORMER_NAME:
        names.append(FORMER_VARIABLE)
    return dict.fromkeys(names, path)
