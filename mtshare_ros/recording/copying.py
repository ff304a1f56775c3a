"""What is copied from a bag: its messages with its own definitions, never another version."""

from dataclasses import replace
from typing import Callable, Collection, Iterable

from mtshare_ros.errors import RecordingError
from mtshare_ros.recording.bag import Bag
from mtshare_ros.recording.bag_parts import CDR, Channel, Definition
from mtshare_ros.recording.extras import require
from mtshare_ros.recording.message_types import make_definition


def choose_copied(
    bag: Bag, outputs: Collection[str], say: Callable[[str], None]
) -> dict[Channel, Channel]:
    """
    Return under which channel the messages of each channel are copied; say what is unusual.

    Raises RecordingError where they would mix with the topics of the outputs.
    """
    for channel in bag.channels:
        if channel.topic in outputs:
            raise RecordingError(f'{bag.path} has a topic {channel.topic} already; give the '
                                 'outputs a --namespace')
        if channel.serialization != CDR:
            say(f'{channel.topic} is not copied: its messages are {channel.serialization}, and '
                'ROS opens no bag that has others than cdr')
    copied = [channel for channel in bag.channels if channel.serialization == CDR]
    merged = merge_channels(copied)
    defined = {channel: define(channel, bag.distro) for channel in dict.fromkeys(merged.values())}
    for channel in defined.values():
        if not channel.definition.text:
            say(f'{channel.topic} is copied without a definition: the bag has none of '
                f'{channel.message_type}')
    return {channel: defined[merged[channel]] for channel in copied}


def merge_channels(channels: Iterable[Channel]) -> dict[Channel, Channel]:
    """
    Return the channels under which the messages of channels are copied.

    What several publishers, recorders or files left of one topic and type becomes one channel
    with all their qualities of service, as far as their definitions agree.
    """
    merged: dict[tuple[str, str, str, str], Channel] = {}
    keys = {}
    found = list(channels)
    for channel in found:
        definition = channel.definition.text or _first_definition(channel, found).text
        key = channel.topic, channel.message_type, channel.serialization, definition
        before = merged.get(key, channel)
        merged[key] = replace(
            before, definition=before.definition if before.definition.text else channel.definition,
            type_hash=before.type_hash or channel.type_hash,
            qos=tuple(dict.fromkeys((*before.qos, *channel.qos))))
        keys[channel] = key
    return {channel: merged[key] for channel, key in keys.items()}


def define(channel: Channel, distro: str) -> Channel:
    """
    Return a channel with the definition of its type, as far as that is certain.

    Bags of ROS 2 Humble and older hold none. Types of the ROS core are known for the
    distribution that recorded the bag; where that is not, those that never changed.
    """
    if channel.definition.text or channel.serialization != CDR:
        return channel
    typesys = require('rosbags.typesys', 'copying a bag', 'bags')
    known = [store for store in typesys.Stores if store.name.startswith('ROS2_')]
    named = [store for store in known if store.name == f'ROS2_{distro.upper()}']
    versions = set()
    for name in named or known:
        store = typesys.get_typestore(name)
        if channel.message_type not in store.fielddefs:
            return channel
        versions.add(make_definition(store, channel.message_type))
    if len(versions) != 1:
        return channel
    definition, type_hash = versions.pop()
    return replace(channel, definition=definition, type_hash=channel.type_hash or type_hash)


def _first_definition(channel: Channel, channels: Iterable[Channel]) -> Definition:
    """Return what other channels say of the type of one."""
    return next((other.definition for other in channels
                 if other.message_type == channel.message_type and other.definition.text),
                Definition())
