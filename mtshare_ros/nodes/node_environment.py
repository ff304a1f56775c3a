"""
The environment that processes of nodes need: large images over DDS, threads that share cores.

Both are read when a library is loaded, so whoever starts a node has to set them.
"""

from typing import Mapping

from mtshare_ros.resources import share_directory

CURRENT_VARIABLE = 'FASTDDS_DEFAULT_PROFILES_FILE'
FORMER_VARIABLE = 'FASTRTPS_DEFAULT_PROFILES_FILE'

# Their Fast DDS 2 reads the former name only; version 3 warns about it.
_DISTROS_WITH_FORMER_NAME = ('humble', 'iron', 'jazzy')

_THREAD_WAITING = {'OMP_WAIT_POLICY', 'GOMP_SPINCOUNT'}
_SPIN_COUNT = '1000'


def node_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables to set for a process of a node; what is set already stays as it is."""
    return {**_profile(environment), **_thread_waiting(environment)}


def _profile(environment: Mapping[str, str]) -> dict[str, str]:
    """
    Let images above 512 KB through, where the environment names no profile of its own.

    Without the profile Fast DDS loses nearly every best-effort message of that size; it acts on
    the publishing side.
    """
    if CURRENT_VARIABLE in environment or FORMER_VARIABLE in environment:
        return {}
    path = str(share_directory() / 'config' / 'fastdds_large_images.xml')
    names = [CURRENT_VARIABLE]
    if environment.get('ROS_DISTRO') in _DISTROS_WITH_FORMER_NAME:
        names.append(FORMER_VARIABLE)
    return dict.fromkeys(names, path)


def _thread_waiting(environment: Mapping[str, str]) -> dict[str, str]:
    """
    Have PyTorch's threads on a CPU sleep soon while they wait for one another.

    By default they spin for milliseconds; beside another program that needs a core, a frame then
    takes two to a hundred times longer. A thousand turns bridge the gaps between the steps of a
    network, so that on an idle machine next to nothing is lost.
    """
    if _THREAD_WAITING.intersection(environment):
        return {}
    return {'GOMP_SPINCOUNT': _SPIN_COUNT}
