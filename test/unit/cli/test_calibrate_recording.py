"""``mtshare calibrate`` on a recording of one's own."""

import json

import numpy as np
import pytest

pytest.importorskip('typer', reason='the command line needs the extra [cli]')
pytest.importorskip('av', reason='videos need the extra [video]')
pytest.importorskip('rosbags', reason='bags need the extra [bags]')

import av  # noqa: E402
from bag_files import (  # noqa: E402
    camera_messages,
    image_message,
    picture,
    START_NS,
    write_bag,
    write_camera_bag,
)

from mtshare_ros.errors import ConfigError, DatasetError  # noqa: E402
from mtshare_ros.evaluation.measurements import MeasuredHere  # noqa: E402
from mtshare_ros.evaluation.recorded_calibration import (  # noqa: E402
    calibrate_recorded,
    listed,
    PERIODS,
    RecordingMeter,
    scaled,
)
from mtshare_ros.inference.engine import Engine  # noqa: E402
from mtshare_ros.model.checkpoint import load_checkpoint  # noqa: E402

FRAMES = 25


@pytest.fixture(scope='module')
def engine(tiny_model):
    return Engine.load(str(tiny_model), device='cpu')


@pytest.fixture(scope='module')
def images():
    return [picture(number) for number in range(FRAMES)]


@pytest.fixture(scope='module')
def found(engine, images):
    return calibrated(engine, 0.3, images)


def calibrated(engine, target, *recordings, say=lambda line: None):
    """Calibrate on recordings: walk.mp4, or a.mp4, b.mp4 and so on."""
    names = ['walk.mp4'] if len(recordings) == 1 else [
        f'{letter}.mp4' for letter, _ in zip('abcdef', recordings)]
    spread = MeasuredHere(lambda tick: [meter(engine, images, tick) for images in recordings])
    return calibrate_recorded(engine, names, target, spread, say=say)


def meter(engine, images, tick=lambda: None):
    return RecordingMeter(engine, lambda: images, tick)


def test_the_cheapest_trial_within_the_target_is_chosen(found):
    assert [trial.refresh_period for trial in found.trials] == list(PERIODS)
    within = [trial for trial in found.trials if max(trial.errors.values()) <= 0.3]
    assert found.chosen in within
    assert found.chosen.macs_fraction == min(trial.macs_fraction for trial in within) < 1


def test_the_thresholds_are_those_of_the_model_times_the_factor(engine, found):
    for task, known in engine.thresholds.items():
        assert found.thresholds[task].task == known.task
        assert np.allclose(found.thresholds[task].temporal,
                           np.multiply(known.temporal, found.chosen.factor), atol=1e-4)


def test_the_sentence_says_what_it_was_measured_on_and_beside_what(found):
    assert 'over 25 frames of walk.mp4, at most 0.3' in found.sentence
    assert f'{found.consecutive["depth"]:.3f}' in found.sentence


def test_a_smaller_error_takes_more_work(engine, images, found):
    strict = calibrated(engine, 0.1, images)
    assert strict.chosen.macs_fraction >= found.chosen.macs_fraction


def test_an_error_that_cannot_be_kept_is_refused_with_the_least_that_was_reached(engine, images):
    with pytest.raises(ConfigError, match='target_error is 1e-06; on walk.mp4 the least'):
        calibrated(engine, 1e-6, images)


def test_a_recording_that_is_too_short_is_refused(engine, images):
    with pytest.raises(DatasetError, match='20 frames are too few to calibrate on; at least 24'):
        calibrated(engine, 0.3, images[:20])


def test_a_camera_of_which_all_frames_are_equal_is_refused(engine, images):
    with pytest.raises(DatasetError, match='all 25 frames are equal'):
        calibrated(engine, 0.3, images[:1] * FRAMES)


def test_the_error_on_several_recordings_is_that_of_all_their_frames(engine, images):
    other = [picture(number) for number in range(40, 70)]
    both = calibrated(engine, 0.3, images, other)

    apart = [meter(engine, film).measure(
        scaled(engine, both.chosen.factor), both.chosen.refresh_period)
        for film in (images, other)]
    for task, error in both.chosen.errors.items():
        errors = [error for part in apart for error in part.errors[task]]
        assert len(errors) == len(images) + len(other) - 2
        assert error == np.percentile(errors, 95) <= 0.3
    assert both.chosen.macs_fraction == (
        sum(part.macs for part in apart) / sum(part.dense_macs for part in apart))
    assert 'over 55 frames of a.mp4, b.mp4, at most' in both.sentence


def test_of_several_recordings_those_that_cannot_be_used_are_left_out_with_the_reason(
        engine, images, found):
    said = []
    some = calibrated(engine, 0.3, images[:20], images, images[:1] * 30, say=said.append)

    assert some.trials == found.trials and 'over 25 frames of b.mp4, at' in some.sentence
    assert [line.partition(' frames')[0] for line in said] == [
        'left out a.mp4: 20', 'left out c.mp4: all 30']


def test_if_no_recording_can_be_used_the_first_reason_is_given(engine, images):
    with pytest.raises(DatasetError, match='none of 2 recordings can be used; the first is '
                                           'a.mp4: 20 frames are too few'):
        calibrated(engine, 0.3, images[:20], images[:2])


def test_of_many_recordings_a_few_are_named():
    names = [f'{letter}.mp4' for letter in 'abcde']
    assert listed(names) == 'a.mp4, b.mp4, c.mp4 and 2 more'
    assert listed(names[:3]) == 'a.mp4, b.mp4, c.mp4'


def test_a_bag_gives_a_new_model_and_the_parameters_of_the_node(command, tiny_model, tmp_path):
    bag = write_camera_bag(tmp_path / 'walk', FRAMES)
    result = command('calibrate', tiny_model, '--bag', bag, '--target-error', 0.3,
                     '--output', 'mine.safetensors', '--json', 'figures.json')
    assert result.returncode == 0, result.stderr
    figures = json.loads((tmp_path / 'figures.json').read_text())
    description = load_checkpoint(tmp_path / 'mine.safetensors').description
    assert description.calibration == figures['sentence'] and 'walk' in description.calibration
    period = figures['chosen']['refresh_period']
    assert f'temporal.refresh_period: {period}' in result.stdout
    assert 'dense, to the frame before' in result.stdout


def test_a_video_is_calibrated_on_as_well(command, tiny_model, tmp_path):
    with av.open(str(tmp_path / 'walk.mp4'), 'w') as file:
        stream = file.add_stream('mpeg4', rate=20)
        stream.width, stream.height, stream.pix_fmt = 128, 96, 'yuv420p'
        for number in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(picture(number), format='rgb24')
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    result = command('calibrate', tiny_model, '--video', 'walk.mp4', '--target-error', 0.3)
    assert result.returncode == 0, result.stderr
    assert 'frames of walk.mp4' in load_checkpoint(
        tmp_path / 'tiny_calibrated.safetensors').description.calibration


def test_several_bags_are_calibrated_on_together(command, tiny_model, tmp_path):
    for name in ('monday', 'tuesday'):
        write_camera_bag(tmp_path / name, FRAMES)
    result = command('calibrate', tiny_model, '--bag', 'monday', '--bag', 'tuesday',
                     '--target-error', 0.3)
    assert result.returncode == 0, result.stderr
    assert '50 frames of monday, tuesday' in load_checkpoint(
        tmp_path / 'tiny_calibrated.safetensors').description.calibration


def test_recordings_are_found_in_folders(command, tiny_model, tmp_path):
    for name in ('monday', 'tuesday'):
        write_camera_bag(tmp_path / 'week' / name, FRAMES if name == 'monday' else 3)
    result = command('calibrate', tiny_model, 'week', '--target-error', 0.3)
    assert result.returncode == 0, result.stderr
    assert 'left out tuesday: 3 frames are too few' in result.stderr
    assert '25 frames of monday,' in load_checkpoint(
        tmp_path / 'tiny_calibrated.safetensors').description.calibration


@pytest.mark.parametrize('words, complaint', [
    (['--bag', 'talk'], 'the bag has no topic with images'),
    (['--bag', 'walk', '--image-topic', '/nowhere'], "no image topic '/nowhere'"),
    (['--bag', 'walk'], '2 frames are too few'),
    (['--video', 'absent.mp4'], 'there is no such file'),
    (['nowhere'], 'nowhere'),
])
def test_a_recording_that_is_none_is_refused(command, tiny_model, tmp_path, words, complaint):
    write_camera_bag(tmp_path / 'walk', 2)
    write_bag(tmp_path / 'talk', [row for row in camera_messages(2) if 'info' in row[0]])
    result = command('calibrate', tiny_model, *words)
    assert result.returncode == 1
    assert complaint in result.stderr


def test_an_image_that_cannot_be_read_is_left_out_with_a_line(command, tiny_model, tmp_path):
    rows = list(camera_messages(FRAMES))
    bad = image_message(picture(0), START_NS, 'rgb8')
    bad.encoding = '32FC1'
    rows.insert(4, (rows[0][0], rows[4][1], bad))
    write_bag(tmp_path / 'walk', rows)
    result = command('calibrate', tiny_model, '--bag', 'walk', '--target-error', 0.3)
    assert result.returncode == 0, result.stderr
    assert 'skipped an image' in result.stderr
