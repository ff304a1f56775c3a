"""The requests of pages, parsed and checked."""

from dataclasses import dataclass
import json
from typing import Any, Sequence

from mtshare_ros.nodes.dashboard.channels import Channel

LONGEST_REQUEST = 4096
"""Bytes of a message from a page."""

_LONGEST_TEXT = 256
_LONGEST_LIST = 32


class RequestError(Exception):
    """A page sent something that is not a request."""


@dataclass(frozen=True)
class Watch:
    """Show these channels from now on, and no others."""

    channels: frozenset[int]


@dataclass(frozen=True)
class Seen:
    """The last picture of a channel is on the screen; the next one may be sent."""

    channel: int


@dataclass(frozen=True)
class SetParameter:
    """Set a parameter of the perception node; JSON does not tell 1 from 1.0."""

    name: str
    value: bool | int | float | str | list[int | float]


@dataclass(frozen=True)
class Reset:
    """Make the perception node forget what it remembers of a camera."""

    camera: str


Request = Watch | Seen | SetParameter | Reset


def parse_request(text: str | bytes, channels: Sequence[Channel]) -> Request:
    """Return what a page requests of these channels; raise RequestError for anything else."""
    try:
        message = json.loads(text)
        match message['kind']:
            case 'watch':
                return Watch(frozenset(_channel(item, channels) for item in message['channels']))
            case 'seen':
                return Seen(_channel(message['channel'], channels))
            case 'set':
                return SetParameter(_text(message['name']), _value(message['value']))
            case 'reset':
                camera = _text(message['camera'])
                if camera not in {channel.camera for channel in channels}:
                    raise ValueError(f'there is no camera {camera!r}')
                return Reset(camera)
            case kind:
                raise ValueError(f'there is no request {kind!r}')
    # RecursionError: a page may send thousands of nested brackets.
    except (KeyError, RecursionError, TypeError, ValueError) as error:
        raise RequestError(f'{str(text)[:80]!r} is not a request: {error!r}') from error


def _channel(value: Any, channels: Sequence[Channel]) -> int:
    if type(value) is not int or not 0 <= value < len(channels):
        raise ValueError(f'there is no channel {value!r}')
    return value


def _value(value: Any) -> Any:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list) and len(value) <= _LONGEST_LIST:
        return [_number(item) for item in value]
    return value if isinstance(value, bool) else _number(value)


def _number(value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f'{value!r} is not a number')
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        raise ValueError(f'a text of at most {_LONGEST_TEXT} characters is needed')
    return value
