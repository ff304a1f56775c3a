"""Frames of a camera, their maps, and shards of them."""

from dataclasses import replace

from bag_files import info_message, PERIOD_NS, picture, START_NS
import numpy as np

from mtshare_ros.fleet.shards.formats import open_shard, SHARD_FORMATS
from mtshare_ros.fleet.shards.shard_writer import ShardContext
from mtshare_ros.inference.prediction import InferenceSettings
from mtshare_ros.recording.frames import Perception, RecordedFrame
from mtshare_ros.sharing.sharing_settings import SharingSettings

MAPS = ('semantic/mask', 'semantic/confidence', 'depth/image', 'normals/image', 'edges/image')
FORMAT_NAMES = tuple(SHARD_FORMATS)

COUNT = 3
"""Frames of a shard, where a test needs no other number."""


def make_frames(count):
    """Return frames of which the first has no calibration."""
    return [RecordedFrame(
        picture(number), START_NS + number * PERIOD_NS + 1_000, str(number),
        info_message(START_NS) if number else None, START_NS + number * PERIOD_NS, 'lens', number)
        for number in range(count)]


def infer(engine, frames):
    """Return the maps of frames that follow each other."""
    perception = Perception(
        engine, InferenceSettings(engine.tasks, SharingSettings(crossover=1.0)))
    return [perception.infer(frame) for frame in frames]


def infer_relative(engine, frames):
    """Return the maps of frames as of a model whose depth is relative; one pixel is invalid."""
    return [_as_relative(prediction) for prediction in infer(engine, frames)]


def _as_relative(prediction):
    disparity = np.reciprocal(prediction.depth)
    disparity[3, 5] = np.nan
    return replace(prediction, depth=None, disparity=disparity)


def make_context(engine, **changes):
    values = {'name': 'drives/monday.1', 'source': '/data/drives/monday.1', 'segment': 0,
              'labels': engine.labels, 'outputs': MAPS, 'model': '5a' * 32,
              'settings': {'refresh_period': 30}, **changes}
    return ShardContext(**values)


def write_shard_of(engine, kind, folder, count=COUNT, maps=infer, **changes):
    """Write a shard of some frames into a folder and return its path."""
    frames = make_frames(count)
    return write_shard(kind, folder / kind, frames, maps(engine, frames),
                       make_context(engine, **changes))


def write_shard(kind, path, frames, predictions, context):
    """Write a shard of one of FORMAT_NAMES and return its path."""
    writer = open_shard(kind, path, context)
    for frame, prediction in zip(frames, predictions):
        writer.see(frame, prediction)
    writer.close()
    return path
