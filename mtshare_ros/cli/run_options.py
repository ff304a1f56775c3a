"""The options of ``mtshare run``."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer


class Arrays(str, Enum):
    """How depth and normals are written."""

    PNG = 'png'
    NPY = 'npy'


SourcesArgument = Annotated[list[str], typer.Argument(
    metavar='SOURCE', help='Images, folders of images, one video, the number of a '
                            'camera, or the address of a stream.')]
OutputOption = Annotated[Path, typer.Option(
    '--output', metavar='DIR', help='Where the maps go.')]
TopicsOption = Annotated[str | None, typer.Option(
    '--topics', metavar='MAP,...', help='What to write. Default: the maps, without pictures; a '
                                        'wrong name lists what there is.')]
ArraysOption = Annotated[Arrays, typer.Option(
    '--arrays', help='Depth and normals: png (millimetres, 8 bits) or npy (float32, exact).')]
FramesOption = Annotated[int | None, typer.Option(
    '--frames', min=1, metavar='N', help='Only the first N frames.')]
SharingOption = Annotated[bool | None, typer.Option(
    '--sharing/--no-sharing', help='Compute only what changed, or every frame whole. Default: '
                                   'what changed in videos and cameras, images whole.')]
OverwriteOption = Annotated[bool, typer.Option(
    '--overwrite', help='Write into a folder that is not empty.')]
