"""Options of ``mtshare import``."""

from pathlib import Path
from typing import Annotated

import typer

from mtshare_ros.cli.completion import offer_task_list, offering

SourcesArgument = Annotated[list[Path], typer.Argument(
    metavar='SOURCE', help='Folders with config.json, or .safetensors files: a backbone and the '
                           'heads on it.')]
OutputOption = Annotated[Path, typer.Option(metavar='FILE', help='The model, a new file.')]
InputSizeOption = Annotated[str, typer.Option(
    metavar='HxW', help='Pixels of the input, multiples of the patch.')]
LabelsOption = Annotated[Path | None, typer.Option(
    metavar='FILE', help='Names of the classes: a list of {id, name, rgb}, as in '
                         'config/labels/ade20k150.yaml.')]
TasksOption = Annotated[str | None, typer.Option(
    metavar='TASK,...', autocompletion=offer_task_list, help='Only these tasks.')]
ByGeometryOption = Annotated[str | None, typer.Option(
    metavar='TASK,...', autocompletion=offering('normals', 'edge', 'normals,edge'),
    help='Work normals or edges out from the depth, although a source has a head for them.')]
DepthRangeOption = Annotated[tuple[float, float] | None, typer.Option(
    metavar='NEAR FAR', help='Metres that the bins of a depth head reach, where neither '
                             'configuration nor name of the file say so.')]
LicenceOption = Annotated[list[str] | None, typer.Option(
    metavar='SOURCE=TEXT', help='The licence of a source, where its folder does not say it.')]
TensorsOption = Annotated[bool, typer.Option(
    '--tensors', help='Print every tensor of the sources with its shape; those that are not used '
                      'end with a dash.')]
