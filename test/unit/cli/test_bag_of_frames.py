"""``mtshare bag`` of videos and of folders of images."""

import json

import numpy as np
import pytest

pytest.importorskip('typer', reason='the command line needs the extra [cli]')
pytest.importorskip('rosbags', reason='bags need the extra [bags]')
pillow = pytest.importorskip('PIL.Image', reason='images need the extra [cli]')

from bag_files import picture, read_bag, write_camera_bag  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

from mtshare_ros.cli.app import app  # noqa: E402


@pytest.fixture
def command(tiny_model):
    """Return a function that runs a command in this process, which has its libraries loaded."""
    def run(*words):
        given = (*words, '--model', tiny_model, '--device', 'cpu', '--threads', 1)
        return CliRunner().invoke(app, list(map(str, given)))
    return run


def write_video(path, frames=8):
    av = pytest.importorskip('av', reason='videos need the extra [video]')
    with av.open(str(path), 'w') as file:
        stream = file.add_stream('mpeg4', rate=20)
        stream.width, stream.height, stream.pix_fmt = 128, 96, 'yuv420p'
        for number in range(frames):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture(number), 'rgb24')))
        file.mux(stream.encode())
    return path


def write_photos(folder, count=4):
    folder.mkdir()
    for number in range(count):
        pillow.fromarray(picture(number)).save(folder / f'photo_{number}.png')
    return folder


def figures_of(command, source, target, *words):
    """Run the command, and return what it writes about itself."""
    file = target.with_suffix('.json')
    result = command('bag', source, target, '--json', file, *words)
    assert result.exit_code == 0, result.output
    return json.loads(file.read_text())


@pytest.mark.parametrize('kind', ['video', 'photos'])
def test_the_maps_are_those_of_the_command_run(command, tmp_path, kind):
    source = (write_video(tmp_path / 'walk.mkv') if kind == 'video' else
              write_photos(tmp_path / 'photos'))
    assert command('run', source, '--output', tmp_path / 'files').exit_code == 0

    assert command('bag', source, tmp_path / 'out').exit_code == 0

    found = [message.data.reshape(message.height, message.width)
             for _, message in read_bag(tmp_path / 'out')['/semantic/mask']]
    files = sorted((tmp_path / 'files/semantic/mask').glob('*.png'))
    assert len(found) == len(files) > 0
    for mask, file in zip(found, files):
        with pillow.open(file) as expected:
            np.testing.assert_array_equal(mask, np.asarray(expected))


def test_sharing_is_on_for_videos_and_bags_and_off_for_images(command, tmp_path):
    video = write_video(tmp_path / 'walk.mkv')
    photos = write_photos(tmp_path / 'photos')
    bag = write_camera_bag(tmp_path / 'in', 3)

    assert figures_of(command, video, tmp_path / 'a')['sharing']['temporal']
    assert figures_of(command, bag, tmp_path / 'b')['sharing']['temporal']
    assert not figures_of(command, photos, tmp_path / 'c')['sharing']['temporal']
    assert figures_of(command, photos, tmp_path / 'd', '--sharing')['sharing']['temporal']
    assert not figures_of(command, video, tmp_path / 'e', '--no-sharing')['sharing']['temporal']


def test_a_copy_holds_the_images(command, tmp_path):
    figures = figures_of(command, write_photos(tmp_path / 'photos'), tmp_path / 'out',
                         '--copy-input', '--segment', 3)

    found = read_bag(tmp_path / 'out')
    assert (figures['frames'], figures['missing']) == (4, 0)
    np.testing.assert_array_equal(
        [message.data.reshape(96, 128, 3) for _, message in found['/image']],
        [picture(number) for number in range(4)])
    assert len(found['/depth/image']) == 4


def test_the_good_part_of_a_damaged_video_is_computed_and_the_exit_code_is_1(command, tmp_path):
    source = write_video(tmp_path / 'walk.mkv', 80)
    source.write_bytes(source.read_bytes()[:source.stat().st_size // 2])

    result = command('bag', source, tmp_path / 'out', '--json', tmp_path / 'figures.json')

    figures = json.loads((tmp_path / 'figures.json').read_text())
    assert result.exit_code == 1 and 'Traceback' not in result.output
    assert 'the video cannot be read any further after' in figures['damage']
    assert 0 < figures['frames'] == len(read_bag(tmp_path / 'out')['/edges/image']) < 80


def test_images_are_not_averaged_over_time(command, tmp_path):
    result = command('bag', write_photos(tmp_path / 'photos'), tmp_path / 'out', '--fusion')

    assert result.exit_code == 1 and '--fusion averages maps over time' in result.output


def test_a_file_that_is_no_video_is_refused(command, tmp_path):
    (tmp_path / 'walk.mp4').write_text('nothing')

    result = command('bag', tmp_path / 'walk.mp4', tmp_path / 'out')

    assert result.exit_code == 1 and 'cannot be opened as a video' in result.output
    assert not (tmp_path / 'out').exists()


def test_an_interrupted_run_goes_on_only_with_the_same_warm_up(command, tmp_path, monkeypatch):
    from mtshare_ros.recording.segmented_bag import SegmentedBag

    source = write_photos(tmp_path / 'photos')
    words = 'bag', source, tmp_path / 'out', '--segment', 2, '--warm-up', 1

    def fail(self):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(SegmentedBag, 'finish', fail)
        assert command(*words).exit_code == 130
    refused = command(*words[:-1], 2)

    assert refused.exit_code == 1 and 'warm-up was 1, now it is 2' in refused.output
    assert command(*words).exit_code == 0
