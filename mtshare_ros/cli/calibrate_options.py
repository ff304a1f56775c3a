"""Options of ``mtshare calibrate``."""

from pathlib import Path
from typing import Annotated

import typer

ErrorOption = Annotated[float, typer.Option(
    metavar='E', help='Relative error that thresholds may add to a raw output, in 95 % of the '
                      'frames; on a recording, the difference to dense frames.')]
ShareOption = Annotated[float, typer.Option(
    metavar='S', help='Part of it for gates in time; taking over from the base task gets the '
                      'rest.')]
RoomsOption = Annotated[int, typer.Option(
    min=1, metavar='N', help='Rooms to calibrate on, one clip each, the motions in turn; as many '
                             'others check the result.')]
FramesOption = Annotated[int, typer.Option(
    min=2, metavar='N', help='Frames of a clip; more than the refresh period.')]
BagOption = Annotated[Path | None, typer.Option(
    metavar='BAG', help='Calibrate on this bag instead of rooms.')]
VideoOption = Annotated[Path | None, typer.Option(
    metavar='FILE', help='Calibrate on this video instead of rooms.')]
ImageTopicOption = Annotated[str | None, typer.Option(
    metavar='TOPIC', help='The images of the bag, where it has several.')]
OutputOption = Annotated[Path | None, typer.Option(
    metavar='FILE', help='The new model file; it must not exist yet. Default: '
                         'NAME_calibrated.safetensors in this folder.')]
RegisterOption = Annotated[str | None, typer.Option(
    metavar='NAME', help='Keep the new file among your models under this name, or in place of '
                         'the shipped model of that name.')]
