"""Arguments and options that several commands share, with one wording each."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from mtshare_ros.cli.completion import offer_models, offering

HELD_OUT_SEED = 1_100_003
"""A room of the test split: a demonstration on a training room would flatter the model."""

MODEL_HELP = 'A model by name (mtshare models list), "default", or a .safetensors file.'

ModelArgument = Annotated[str, typer.Argument(
    metavar='MODEL', help=MODEL_HELP, autocompletion=offer_models)]
ModelOption = Annotated[str, typer.Option(
    '--model', metavar='MODEL', help=MODEL_HELP, autocompletion=offer_models)]
DeviceOption = Annotated[str, typer.Option(
    '--device', metavar='DEVICE', autocompletion=offering('auto', 'cpu', 'cuda', 'cuda:0'),
    help='auto, cpu, cuda or cuda:N; auto takes the GPU where there is one.')]
PrecisionOption = Annotated[str, typer.Option(
    '--precision', metavar='TYPE', autocompletion=offering('auto', 'fp32', 'bf16', 'fp16'),
    help='auto, fp32, bf16 or, on CUDA, fp16.')]
JsonOption = Annotated[Path | None, typer.Option(
    '--json', metavar='FILE', help='Write the figures to this file as JSON.')]
SeedOption = Annotated[int, typer.Option(
    '--seed', min=0, max=2**31 - 1, metavar='N',
    help='Which room, path and movers; 1100000 to 1199999 are rooms no model was trained on.')]
SheetOption = Annotated[Path | None, typer.Option(
    '--sheet', metavar='FILE.png',
    help='Save a picture of several frames: predictions beside the ground truth.')]


MOTIONS_HELP = (
    'static, pan, drive or handheld; past fine texture static-textured, pan-2, pan-4, pan-8, '
    'handheld-2, handheld-4 or handheld-8 (pixels a frame at 320 pixels), drive-0.5 or drive-1 '
    '(metres a second)')


class Motion(str, Enum):
    """
    How the simulated camera moves.

    Those with a number, which is a speed, and the textured one look at surfaces of fine texture.
    """

    STATIC = 'static'
    PAN = 'pan'
    DRIVE = 'drive'
    HANDHELD = 'handheld'
    STATIC_TEXTURED = 'static-textured'
    PAN_2 = 'pan-2'
    PAN_4 = 'pan-4'
    PAN_8 = 'pan-8'
    HANDHELD_2 = 'handheld-2'
    HANDHELD_4 = 'handheld-4'
    HANDHELD_8 = 'handheld-8'
    DRIVE_HALF = 'drive-0.5'
    DRIVE_1 = 'drive-1'
