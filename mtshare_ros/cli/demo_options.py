"""What a demo shows."""

from dataclasses import dataclass
from typing import Annotated

import typer

from mtshare_ros.cli.options import motion_option, MOTIONS_HELP

VideoOption = Annotated[str | None, typer.Option(
    '--video', metavar='FILE|CAMERA',
    help='Show this in place of a rendered room: a video file, a folder of images, the number of '
         'a camera, or the address of a stream.')]
MotionOption = Annotated[str | None, motion_option(
    f'How the camera moves: {MOTIONS_HELP}. Default: handheld.')]
RateOption = Annotated[float | None, typer.Option(
    '--rate', min=0.1, max=240.0, metavar='HZ',
    help='Images per second of the camera. Default: 30, or those of --video.')]


@dataclass(frozen=True)
class DemoOptions:
    """
    What the demo shows and how long; ``duration_s`` 0 is until Ctrl-C.

    ``video`` takes the place of a rendered room, and has a rate and labels of its own: ``rate_hz``
    is 0 then unless another one is wanted. ``sheet`` says that frames are kept for a picture.
    ``dashboard_port`` is None where there is no dashboard.
    """

    duration_s: float
    motion: str
    seed: int
    rate_hz: float
    model: str
    device: str
    sheet: bool
    dashboard_port: int | None
    video: str | None = None

    @property
    def camera(self) -> str:
        """What the images come from, in words."""
        rate = f' at {self.rate_hz:g} Hz' if self.rate_hz else ''
        if self.video is not None:
            return f'{self.video}{rate}'
        return f'room {self.seed}, camera {self.motion}{rate}'
