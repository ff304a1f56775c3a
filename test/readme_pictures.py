"""
Take docs/images/activity.png of README.md anew, with the shipped model.

``make readme`` does not: rendering and computing take half a minute.
"""

from pathlib import Path

import numpy as np

from mtshare_ros.cli.output import save_picture
from mtshare_ros.data.rooms.video import RoomVideo
from mtshare_ros.inference.colorize import color_activity
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.prediction import InferenceSettings

PICTURE = Path(__file__).resolve().parent.parent / 'docs' / 'images' / 'activity.png'
ROOM, FRAMES = 1_100_015, 39
MARGIN = 8


def film(engine: Engine, motion: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the last image of a clip, and what was computed of it, (H, W, 3) RGB both."""
    video = RoomVideo(seed=ROOM, motion=motion)
    session, settings = engine.new_session(), InferenceSettings(engine.tasks, activity=True)
    for number in range(FRAMES):
        image = video.frame(number).image
        found = engine.infer(image, session, settings)
    return image, color_activity(image, found.stats.activity)


def main() -> None:
    """Write the picture: an image, its activity, and the activity of a camera held by hand."""
    engine = Engine.load('rooms_vit_tiny_shared')
    pictures = [*film(engine, 'static'), film(engine, 'handheld')[1]]
    gap = np.full((pictures[0].shape[0], MARGIN, 3), 255, np.uint8)
    row = [part for picture in pictures for part in (picture, gap)][:-1]
    save_picture(PICTURE, np.concatenate(row, axis=1))


if __name__ == '__main__':
    main()
