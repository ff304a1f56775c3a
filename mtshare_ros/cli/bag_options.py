"""The options of ``mtshare bag``."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer


class Storage(str, Enum):
    """How a bag is stored."""

    MCAP = 'mcap'
    SQLITE3 = 'sqlite3'


class CameraMatrix(str, Enum):
    """Which matrix of a CameraInfo is that of the image."""

    AUTO = 'auto'
    RAW = 'K'
    RECTIFIED = 'P'


SourceArgument = Annotated[Path, typer.Argument(
    metavar='IN', help='A rosbag2 folder, or one .mcap or .db3 file.')]
TargetArgument = Annotated[Path, typer.Argument(metavar='OUT', help='The folder of the new bag.')]
ImageTopicOption = Annotated[str | None, typer.Option(
    metavar='TOPIC', help='The images; needed where the bag has several such topics.')]
CameraInfoTopicOption = Annotated[str | None, typer.Option(
    metavar='TOPIC', help='The calibration. Default: the one beside the images, or the only '
                          'one.')]
CameraMatrixOption = Annotated[CameraMatrix, typer.Option(
    help='Which matrix of the calibration is that of the images: K (raw), P (rectified); auto is '
         'P where their topic is named rect.')]
TopicsOption = Annotated[str | None, typer.Option(
    metavar='TOPIC,...', help='What to write. Default: the maps, without pictures and cloud; a '
                              'wrong name lists what there is.')]
NamespaceOption = Annotated[str, typer.Option(
    metavar='NAME', help='Put before the topics that are written.')]
StorageOption = Annotated[Storage | None, typer.Option(help='Default: that of the input.')]
CopyOption = Annotated[bool, typer.Option(
    '--copy-input/--no-copy-input', help='Copy everything the input holds as well.')]
StartOption = Annotated[float | None, typer.Option(
    min=0.0, metavar='S', help='Begin S seconds after the beginning of the bag.')]
EndOption = Annotated[float | None, typer.Option(
    min=0.0, metavar='S', help='End S seconds after the beginning of the bag.')]
SegmentOption = Annotated[int, typer.Option(
    min=1, metavar='N', help='Images in a file of the new bag; an interrupted run loses no more '
                             'than these.')]
OverwriteOption = Annotated[bool, typer.Option(
    '--overwrite', help='Replace a bag OUT, and what another command left unfinished there.')]
