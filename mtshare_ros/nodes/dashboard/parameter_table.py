"""The parameters of the dashboard."""

from dataclasses import dataclass, fields
import re
from typing import Any, Mapping

from mtshare_ros.nodes.parameters import ParameterSpec, ParameterTable

SHORTEST_TOKEN = 16
MOST_CAMERAS = 16

_NAME = re.compile(r'/?[A-Za-z_]\w*(/[A-Za-z_]\w*)*')
_TOKEN = re.compile(r'[A-Za-z0-9_-]*')


def _check_node(value: str) -> str:
    return '' if _NAME.fullmatch(value) else 'it is not the name of a node'


def _check_cameras(value: list[str]) -> str:
    names = [name for name in value if name]
    if len(set(names)) != len(names) or len(names) > MOST_CAMERAS:
        return f'it must be at most {MOST_CAMERAS} different names'
    wrong = [name for name in names if not _NAME.fullmatch(name)]
    return f'{wrong[0]!r} cannot be a part of the name of a topic' if wrong else ''


def _check_token(value: str) -> str:
    if not _TOKEN.fullmatch(value):
        return 'it must consist of letters, digits, - and _'
    if value and len(value) < SHORTEST_TOKEN:
        return f'it must have at least {SHORTEST_TOKEN} characters, or be empty'
    return ''


DASHBOARD_PARAMETERS = ParameterTable((
    ParameterSpec(
        'node', 'string', 'perception_node', 'Name of the perception node, relative to the '
        'namespace.', read_only=True, check=_check_node,
    ),
    ParameterSpec(
        'cameras', 'string_array', [''], "Prefixes of the topics, as in the node's parameter of "
        'that name; one empty name is the camera without a prefix.', read_only=True,
        check=_check_cameras,
    ),
    ParameterSpec(
        'labels', 'string', '', 'Label set for the legend: a name in config/labels or a label '
        'file; empty takes that of the model.', read_only=True,
    ),
    ParameterSpec(
        'address', 'string', '127.0.0.1', 'Address to listen on; one that other machines reach '
        'requires a token.', read_only=True,
    ),
    ParameterSpec(
        'port', 'integer', 8080, 'Port to listen on; 0 takes a free one.', limits=(0, 65535),
        read_only=True,
    ),
    ParameterSpec(
        'token', 'string', '', 'Password in the address of the page; empty generates one '
        'where one is needed.', read_only=True, check=_check_token,
    ),
    ParameterSpec(
        'max_rate', 'double', 10.0, 'Pictures of each view in a second at most.', 'Hz',
        (0.5, 30.0), read_only=True,
    ),
))
"""Every parameter of the dashboard; all are read when it starts."""


@dataclass(frozen=True)
class DashboardSettings:
    """The parameters of the dashboard, checked; ``cameras`` holds at least one name."""

    node: str
    cameras: tuple[str, ...]
    labels: str
    address: str
    port: int
    token: str
    max_rate: float


def dashboard_settings(values: Mapping[str, Any]) -> DashboardSettings:
    """Return the settings from checked parameter values."""
    given = {field.name: values[field.name] for field in fields(DashboardSettings)}
    cameras = tuple(name for name in given.pop('cameras') if name)
    return DashboardSettings(cameras=cameras or ('',), **given)
