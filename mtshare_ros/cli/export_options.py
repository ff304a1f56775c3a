"""The options of ``mtshare export``."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from mtshare_ros.cli.completion import offer_task_list


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
