"""Faults of the camera: its images, their stamps, its calibration, its presence."""

from dataclasses import replace
import math
import random

from sensor_msgs.msg import CameraInfo, Image

from mtshare_ros.inference.map_outputs import METRIC_OUTPUTS
from mtshare_ros.messages.encodings import INPUT_ENCODINGS
from mtshare_ros.nodes.trials.soak_stage import Fault, LIVENESS_S, SoakStage
from mtshare_ros.nodes.trials.trial import Look, NANOSECONDS

LARGEST_IMAGE = 400_000
"""Pixels that the node shall be started with as ``max_pixels``; one look exceeds them."""

_WHILE_S = 1.0
_BURST_HZ = 60.0
_SIZES = ((120, 160), (360, 640), (480, 640), (241, 319), (16, 16))
_MAP_TOPICS = tuple(output.topic for output in METRIC_OUTPUTS if output.is_map)


def _shorten(image: Image) -> None:
    del image.data[len(image.data) // 2:]


def _lie_about_size(image: Image) -> None:
    image.width = image.height = 100_000


def _empty(image: Image) -> None:
    image.width = image.height = 0
    del image.data[:]


def _rename_encoding(image: Image) -> None:
    image.encoding = 'no such encoding'


def _narrow_step(image: Image) -> None:
    image.step = 1


_WRONG_IMAGES = {
    'data of half the length': Look(spoil=_shorten),
    'an unknown encoding': Look(spoil=_rename_encoding),
    '0x0 pixels': Look(spoil=_empty),
    'a step of one byte': Look(spoil=_narrow_step),
    '100000x100000 pixels that are not there': Look(spoil=_lie_about_size),
    'more pixels than max_pixels': Look(height=600, width=800),
    'an odd width with shared colours': Look(width=321, encoding='uyvy'),
}
_JUMPS_S = (-60.0, 60.0, 3600.0)


def wrong_images(stage: SoakStage, dice: random.Random) -> str:
    """Send images that must be refused."""
    choice = dice.choice(list(_WRONG_IMAGES))
    before = stage.listener.status.number('rejected')
    stage.camera.show(_WRONG_IMAGES[choice])
    stage.expect_status(
        lambda: stage.listener.status.number('rejected') > before,
        f'images with {choice} were not counted as rejected')
    return choice


def another_size(stage: SoakStage, dice: random.Random) -> str:
    """Change the resolution in the middle of the stream."""
    height, width = dice.choice(_SIZES)
    return _show_another(stage, Look(height=height, width=width), f'{width}x{height}')


def another_encoding(stage: SoakStage, dice: random.Random) -> str:
    """Change the encoding in the middle of the stream."""
    encoding = dice.choice([name for name in INPUT_ENCODINGS if name != Look.encoding])
    return _show_another(stage, Look(encoding=encoding), encoding)


def another_frame(stage: SoakStage, dice: random.Random) -> str:
    """Change the frame_id in the middle of the stream."""
    frame_id = f'frame_{dice.randrange(100)}'
    return _show_another(stage, Look(frame_id=frame_id), frame_id)


def _show_another(stage: SoakStage, look: Look, choice: str) -> str:
    """Send images of another source for a while; the maps must go on."""
    stage.camera.show(look)
    # Not camera_info and points: without a usable calibration they are rightly withheld.
    topics = [topic for topic in _MAP_TOPICS if topic in stage.trial.topics]
    seconds = stage.trial.wait_for_outputs(LIVENESS_S, topics)
    stage.expect(math.isfinite(seconds), f'no maps of images with {choice}')
    return choice


def clock_jump(stage: SoakStage, dice: random.Random) -> str:
    """Shift all stamps by a minute or more, and back."""
    shift_s = dice.choice(_JUMPS_S)
    shift = round(shift_s * NANOSECONDS)
    return _show_another(
        stage, Look(stamp=lambda now: now + shift), f'stamps shifted by {shift_s:+.0f} s')


def useless_stamps(stage: SoakStage, dice: random.Random) -> str:
    """Send stamps that say nothing: zero, or always the same."""
    choice = dice.choice(('zero', 'always the same'))
    constant = 0 if choice == 'zero' else stage.trial.node.get_clock().now().nanoseconds
    before = stage.listener.arrivals()
    stage.camera.show(Look(stamp=lambda now: constant))
    stage.expect(
        stage.trial.wait(lambda: stage.listener.arrivals() > before, LIVENESS_S),
        f'no output of images with stamps that are {choice}')
    stage.spin(_WHILE_S)
    return choice


def _zero(info: CameraInfo) -> None:
    info.k = [0.0] * 9
    info.p = [0.0] * 12


def _squeeze(info: CameraInfo) -> None:
    info.width //= 2


def _bend(info: CameraInfo) -> None:
    info.distortion_model = 'equidistant'


_CALIBRATIONS = {
    'missing': Look(calibrated=False), 'zeros': Look(miscalibrate=_zero),
    'of another aspect ratio': Look(miscalibrate=_squeeze),
    'of a fisheye lens': Look(miscalibrate=_bend),
}


def wrong_calibration(stage: SoakStage, dice: random.Random) -> str:
    """Send camera_info that cannot be used, or none; the maps must go on."""
    choice = dice.choice(list(_CALIBRATIONS))
    return _show_another(stage, _CALIBRATIONS[choice], choice)


def camera_pause(stage: SoakStage, dice: random.Random) -> str:
    """Stop the camera until the node says so."""
    stage.camera.pause()
    stage.expect_status(
        lambda: stage.listener.status.message.startswith('STALE'),
        'the diagnostics did not say STALE while the camera was silent')
    seconds = dice.uniform(0.0, 2.0)
    stage.spin(seconds)
    return f'{seconds:.1f} s beyond the time-out'


def burst(stage: SoakStage, dice: random.Random) -> str:
    """Send images faster than most networks take them."""
    stage.camera.show(replace(Look(), rate_hz=_BURST_HZ))
    seconds = dice.uniform(1.0, 3.0)
    stage.spin(seconds)
    return f'{_BURST_HZ:.0f} Hz for {seconds:.1f} s'


INPUT_FAULTS = (
    Fault('wrong images', wrong_images),
    Fault('another resolution', another_size),
    Fault('another encoding', another_encoding),
    Fault('another frame_id', another_frame),
    Fault('clock jump', clock_jump),
    Fault('useless stamps', useless_stamps),
    Fault('wrong camera_info', wrong_calibration),
    Fault('silent camera', camera_pause),
    Fault('burst', burst),
)
"""What can happen on the way from the camera to the node."""
