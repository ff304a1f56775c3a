"""The options of ``mtshare export``."""

from enum import Enum
import math
from pathlib import Path
from typing import Annotated

import typer

from mtshare_ros.cli.completion import offer_task_list
from mtshare_ros.errors import ConfigError


class FilePrecision(str, Enum):
    """The arithmetic of an exported file."""

    FP32 = 'fp32'
    FP16 = 'fp16'


class FileOutputs(str, Enum):
    """What an exported file gives."""

    MAPS = 'maps'
    RAW = 'raw'


OutputOption = Annotated[Path, typer.Option(metavar='FILE.onnx', help='A new file.')]
SizeOption = Annotated[str | None, typer.Option(
    '--size', metavar='HxW',
    help='Pixels of the input, multiples of the patch size of the model (14 or 16). Default: the '
         'size of the model.')]
PrecisionOption = Annotated[FilePrecision, typer.Option(
    '--precision', help='fp16: products in half precision, norms and last layers in single.')]
TasksOption = Annotated[str | None, typer.Option(
    '--tasks', metavar='TASK,...', autocompletion=offer_task_list,
    help='Only these tasks: semseg, depth, normals, edge.')]
OutputsOption = Annotated[FileOutputs, typer.Option(
    '--outputs', help='Maps in the size of the input, or the raw outputs of the heads.')]
UpdateOption = Annotated[str | None, typer.Option(
    '--update', metavar='CELLS|SHARE|all',
    help='Instead of the dense network: frames of which only so many listed cells are computed, '
         'the rest standing in states that go in and come out. all: a first frame, states out.')]
KeepOption = Annotated[float, typer.Option(
    '--keep', min=0.05, max=1.0, metavar='SHARE',
    help='With --update: the share of the listed cells, those that changed most, that go through '
         'the blocks.')]


def check_keep(keep: float, update: str | None) -> None:
    """Refuse a share of listed cells for a file that takes no list."""
    if keep < 1 and update in (None, 'all'):
        raise ConfigError(f'--keep is {keep:g} for a file that computes every cell; give it with '
                          '--update and a number or a share of cells')


def read_update(text: str, cell_count: int) -> int | None:
    """Return how many of some cells ``--update`` asks for, None for all."""
    if text == 'all':
        return None
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if 0 < number < 1:
        return math.ceil(number * cell_count)
    if number >= 1 and number.is_integer():
        return int(number)
    raise ConfigError(f'--update is {text!r}; allowed are a number of cells, 1 or more, a share '
                      'of them below 1, or all')
