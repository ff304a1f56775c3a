"""``mtshare calibrate`` on a bag or a video."""

from itertools import islice
from pathlib import Path
from typing import Iterator, TYPE_CHECKING

import typer

from mtshare_ros.cli.output import print_table, progress_bar
from mtshare_ros.cli.recordings import warn

if TYPE_CHECKING:
    import numpy as np

    from mtshare_ros.evaluation.recorded_calibration import RecordedCalibration
    from mtshare_ros.inference.engine import Engine

MOST_FRAMES = 120
"""How many frames of a recording are used: four of the longest refresh periods."""


class _Listener:
    """Prints messages about single frames."""

    def skip(self, line: str) -> None:
        """Print that a frame is left out."""
        warn(f'skipped {line}')

    def note(self, line: str) -> None:
        """Print any other message."""
        warn(line)


def calibrate_on(
    engine: 'Engine', bag: Path | None, video: Path | None, image_topic: str | None,
    target_error: float,
) -> 'RecordedCalibration':
    """Choose refresh period and thresholds on a bag or a video, and print what was tried."""
    from mtshare_ros.errors import ConfigError
    from mtshare_ros.evaluation.recorded_calibration import calibrate_recorded, count_frames

    source = bag or video
    if source is None or (bag is not None and video is not None):
        raise ConfigError(f'--bag is {bag} and --video is {video}; give one of them')
    frames = _bag_frames(source, image_topic, engine) if bag else _video_frames(source, engine)
    images = list(islice(frames, MOST_FRAMES))
    with progress_bar('calibrating', count_frames(images)) as progress:
        done = iter(range(1, count_frames(images) + 1))
        found = calibrate_recorded(engine, images, target_error, source.name,
                                   lambda: progress(next(done)))
    _print(found, target_error)
    return found


def _video_frames(path: Path, engine: 'Engine') -> 'Iterator[np.ndarray]':
    from mtshare_ros.image_frame import fit_frame, frame_to_cover, size_of
    from mtshare_ros.recording.frame_sources import open_source

    for frame in open_source([str(path)]).read(_Listener()):
        framing = frame_to_cover(size_of(frame.picture), engine.input_size)
        yield fit_frame(frame.picture, framing).copy()


def _bag_frames(path: Path, image_topic: str | None, engine: 'Engine') -> 'Iterator[np.ndarray]':
    from mtshare_ros.errors import FrameError
    from mtshare_ros.image_frame import fit_frame, frame_to_cover
    from mtshare_ros.recording.bag import Bag, choose_image_topic
    from mtshare_ros.recording.bag_messages import MessageTypes, read_image, require_decoder

    with Bag(path, warn) as opened:
        topic = choose_image_topic(opened.topics, image_topic)
        require_decoder(topic.message_type)
        types = MessageTypes()
        for message in opened.messages((topic.name,)):
            try:
                image = read_image(types, message.data, topic.message_type, engine.input_size)
            except FrameError as error:
                warn(f'skipped an image: {error}')
                continue
            framing = frame_to_cover((image.height, image.width), engine.input_size)
            yield fit_frame(image.picture, framing).copy()


def _print(found: 'RecordedCalibration', target: float) -> None:
    tasks = list(found.consecutive)
    rows = [(f'{trial.refresh_period}{" *" if trial is found.chosen else ""}',
             f'{trial.factor:.2f}', f'{trial.macs_fraction:.0%}',
             *(f'{trial.errors[task]:.4f}' for task in tasks)) for trial in found.trials]
    rows.append(('dense, to the frame before', '', '100%',
                 *(f'{found.consecutive[task]:.4f}' for task in tasks)))
    print_table(f'Relative difference to dense frames (95 % of the frames are better), at most '
                f'{target:g}; * is chosen',
                ('refresh period', 'factor', 'work', *tasks), rows)
    if max(found.consecutive.values()) < target:
        warn('little changes in this recording, so these values may be wrong where more moves; '
             'calibrate on a recording of the camera in use')
    typer.echo('for the node, beside the new model file:\n\n/**:\n  ros__parameters:\n'
               f'    temporal.refresh_period: {found.chosen.refresh_period}\n')
