"""
The table of columns: what a row of a fleet's shards, which are files for learning, holds.

Both formats and the documentation have the same columns; a new column is a new row here, and a
value in ``shard_writer``.
"""

from dataclasses import dataclass
from typing import Iterable

from mtshare_ros.errors import ConfigError
from mtshare_ros.inference.map_outputs import MAPS, OutputSpec
from mtshare_ros.recording.map_encoding import ending_of

FILE = 'file'
"""The kind of a column that holds the bytes of a file: a picture, or an array of numpy."""


@dataclass(frozen=True)
class Column:
    """
    One column.

    ``kind`` is ``text``, ``integer``, ``real``, ``file``, ``camera`` or ``pose``. ``ending`` says
    how a file is encoded: ``png`` or ``npy``. ``unit`` is that of the numbers, or of the pixels.
    ``output`` is the map that it holds, None for others. ``optional`` columns may be null.
    """

    name: str
    kind: str
    text: str
    unit: str = ''
    ending: str = ''
    output: OutputSpec | None = None
    optional: bool = False

    @property
    def type_name(self) -> str:
        """The type in words: that of the file where it is one."""
        name = self.ending or self.kind
        return f'{name} or null' if self.optional else name


_MILLIMETRES = 'z-depth, 16 bits; 0 is invalid, 65535 is 65.535 m or more'
_LEVELS = ('unit vectors in the optical frame (x right, y down, z forward), 128 is 0; 0 0 0 is '
           'invalid')
_UNITS = {'semantic/mask': 'class id', 'semantic/confidence': '1/255', 'depth/image': 'mm',
          'normals/image': '1/127', 'edges/image': '1/255'}
_TEXTS = {'depth/image': _MILLIMETRES, 'normals/image': _LEVELS}
"""What replaces the text of a topic, because a PNG file holds integers."""


def _map_column(row: OutputSpec) -> Column:
    return Column(row.topic.replace('/', '_'), FILE, _TEXTS.get(row.topic, row.text),
                  _UNITS.get(row.topic, ''), ending_of(row), row)


COLUMNS = (
    Column('key', 'text', 'name of the recording in the fleet, and `frame`; no other row has it'),
    Column('source', 'text', 'where the recording was read from'),
    Column('segment', 'integer', 'number of the segment in the recording, from 0'),
    Column('frame', 'integer', 'number of the image in the recording, from 0; images that could '
                               'not be read are counted'),
    Column('stamp_ns', 'integer', 'stamp in the header of the image', 'ns', optional=True),
    Column('time_ns', 'integer', 'when the image was recorded', 'ns'),
    Column('frame_id', 'text', 'coordinate frame of the camera; empty where it has none'),
    Column('image', FILE, 'what the network saw: the image in the size of the maps, RGB',
           '1/255', 'png'),
    *map(_map_column, MAPS),
    Column('camera', 'camera', '`fx`, `fy`, `cx`, `cy` of the maps; null without a calibration',
           'pixels', optional=True),
    Column('pose', 'pose', 'where the camera was: `position` (x, y, z) and `quaternion` (x, y, z, '
                           'w) of its optical frame in the frame `parent`; null where that is not '
                           'known', 'm', optional=True),
    Column('active_fraction', 'real', 'share of the tokens that were computed, over tasks and '
                                      'blocks'),
)
"""Every column, in its order; those of maps are there if their topic is chosen."""


def columns_of(outputs: Iterable[str]) -> tuple[Column, ...]:
    """
    Return the columns of shards with these outputs, which are relative topics.

    Names of classes are in the description of a shard, the calibration is in ``camera``. Raises
    ConfigError for a cloud.
    """
    wanted = set(outputs)
    if 'depth/points' in wanted:
        raise ConfigError('--topics names depth/points, which is no column; a cloud is made from '
                          'depth_image, camera and image: leave it out, or write bags')
    return tuple(column for column in COLUMNS
                 if column.output is None or column.output.topic in wanted)
