"""The times of a video's frames, and decoding from one of them on, without all before it."""

from itertools import chain
from typing import Any, Iterator

from mtshare_ros.errors import import_extra
from mtshare_ros.recording.bag_parts import WrongIndexError

_STEPS_BACK_S = (0, 1, 2, 4, 8, 16, 32, 64, 128)
"""How far before a frame a key frame is looked for; some containers only find one before it."""

_LONGEST_ENDING_S = 1.0
"""How much longer than its frames a video may be by its header, as that is rounded."""


def read_frame_times(container: Any, length_s: float) -> list[int] | None:
    """
    Return the times of the frames in ns, in the order in which they are shown.

    They are read from the packets, and nothing is decoded. ``length_s`` is the length that the
    header tells. Returns None where these may not be the times of the decoded frames, or where
    decoding from a key frame on might give other frames than decoding from the beginning: packets
    without times or with equal ones, damaged or discarded packets, frames behind a key frame that
    are shown before an earlier one.
    """
    stream = container.streams.video[0]
    error = import_extra('av', 'reading a video', 'video').error.FFmpegError
    times: list[int] = []
    latest = -1
    try:
        for packet in container.demux(stream):
            # the last one is empty: it asks the decoder for the frames that it still holds
            if not packet.size:
                continue
            if packet.pts is None or packet.pts < 0 or packet.is_corrupt or packet.is_discard:
                return None
            if (not times or packet.is_keyframe) and (
                    packet.pts < latest or not packet.is_keyframe):
                return None
            latest = max(latest, packet.pts)
            times.append(packet.pts)
    except error:
        return None
    in_order = sorted(times)
    # AVI has no times of its own: those of frames that are shown in another order are wrong
    if in_order == times and stream.codec_context.has_b_frames:
        return None
    times = in_order
    shown_s = float((times[-1] - times[0]) * stream.time_base) if times else 0.0
    complete = len(times) == stream.frames if stream.frames else (
        length_s - shown_s <= _LONGEST_ENDING_S)
    if not complete or len(set(times)) < len(times):
        return None
    return [time_of(pts, stream.time_base) for pts in times]


def time_of(pts: int, time_base: Any) -> int:
    """Return the time in ns of a frame's time stamp, rounded as that of decoded frames."""
    return round(float(pts) * time_base.numerator / time_base.denominator * 1e9)


def packets_from(container: Any, begin_ns: int) -> Iterator[Any]:
    """
    Return the packets from a key frame on that is not shown after ``begin_ns``.

    Decoding them fails at damage. Raises WrongIndexError where there is no such key frame.
    """
    stream = container.streams.video[0]
    # without these, most decoders show something in place of what is damaged and do not say so;
    # that of H.264 does, and would take the frames for damaged that belong to an earlier key frame
    if stream.codec_context.name != 'h264':
        stream.codec_context.options = {'err_detect': 'crccheck+bitstream+buffer+explode'}
    for step_s in _STEPS_BACK_S:
        target = int((begin_ns / 1e9 - step_s) / stream.time_base)
        container.seek(max(target, 0), stream=stream)
        packets = container.demux(stream)
        first = next((packet for packet in packets if packet.is_keyframe and packet.size), None)
        if first is not None and first.pts is not None and (
                time_of(first.pts, stream.time_base) <= begin_ns):
            return chain((first,), packets)
    raise WrongIndexError(f'no key frame was found before {begin_ns / 1e9:.3f} s')
