"""``mtshare run``."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

pytest.importorskip('typer', reason='the command line needs the extra [cli]')
Image = pytest.importorskip('PIL.Image', reason='images need the extra [cli]')

from typer.testing import CliRunner  # noqa: E402

from mtshare_ros.cli.app import app  # noqa: E402
from mtshare_ros.inference.engine import Engine  # noqa: E402
from mtshare_ros.recording.map_encoding import depth_to_png, normals_to_png  # noqa: E402

HEIGHT, WIDTH = 96, 128


def picture(number):
    """Return image number ``number`` of a still scene with a square that moves through it."""
    image = np.random.default_rng(7).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    image[24:40, 8 * number:8 * number + 16] = (250, 40, 20)
    return image


def write_images(folder, count=3):
    folder.mkdir()
    for number in range(count):
        Image.fromarray(picture(number)).save(folder / f'view_{number}.png')
    return folder


def write_video(path, count=6, rate=25):
    """Write frames without any loss."""
    av = pytest.importorskip('av', reason='videos need the extra [video]')
    with av.open(str(path), 'w') as file:
        stream = file.add_stream('ffv1', rate=rate)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, 'bgr0'
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(picture(number), format='rgb24')
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


@pytest.fixture
def run(tiny_model):
    """Return a function that runs the command in this process, which has its libraries loaded."""
    def run(*words):
        given = ('run', *words, '--model', tiny_model, '--device', 'cpu', '--threads', 1)
        return CliRunner().invoke(app, list(map(str, given)))
    return run


def test_every_map_of_every_image_is_a_file_with_what_the_engine_found(run, tiny_model, tmp_path):
    out = tmp_path / 'maps'

    result = run(write_images(tmp_path / 'in'), '--output', out)

    assert result.exit_code == 0, result.output
    engine = Engine.load(str(tiny_model), device='cpu')
    for number in range(3):
        found, name = engine.infer(picture(number)), f'view_{number}.png'
        expected = {
            'semantic/mask': found.mask, 'semantic/confidence': found.confidence,
            'depth/image': depth_to_png(found.depth), 'edges/image': found.edges,
            'normals/image': normals_to_png(found.normals)}
        for topic, values in expected.items():
            with Image.open(out / topic / name) as file:
                np.testing.assert_array_equal(np.array(file), values, err_msg=topic)


def test_the_mask_shows_its_classes_in_their_colours(run, tiny_description, tmp_path):
    assert run(write_images(tmp_path / 'in', 1), '--output', tmp_path / 'maps').exit_code == 0

    with Image.open(tmp_path / 'maps/semantic/mask/view_0.png') as mask:
        ids, colors = np.array(mask), np.array(mask.convert('RGB'))
    np.testing.assert_array_equal(colors, tiny_description.labels.palette()[ids])
    rows = yaml.safe_load((tmp_path / 'maps/labels.yaml').read_text())
    assert tuple(row['name'] for row in rows) == tiny_description.labels.names


def test_arrays_are_exact(run, tiny_model, tmp_path):
    result = run(write_images(tmp_path / 'in', 1), '--output', tmp_path / 'maps',
                 '--arrays', 'npy')

    assert result.exit_code == 0, result.output
    found = Engine.load(str(tiny_model), device='cpu').infer(picture(0))
    for topic, values in (('depth/image', found.depth), ('normals/image', found.normals)):
        written = np.load(tmp_path / 'maps' / topic / 'view_0.npy')
        assert written.dtype == np.float32
        np.testing.assert_array_equal(written, values)


def test_depth_in_millimetres_keeps_what_is_invalid_and_what_is_far():
    depth = np.array([[1.2345, np.nan, 70.0, 0.0]], np.float32)

    assert depth_to_png(depth).tolist() == [[1234, 0, 65535, 0]]


def test_normals_in_8_bits_keep_what_is_invalid():
    normals = np.array([[[0, -1, 0], [1, 0, 0], [np.nan, 0, 0]]], np.float32)

    assert normals_to_png(normals).tolist() == [[[128, 1, 128], [255, 128, 128], [0, 0, 0]]]


def test_a_video_is_computed_with_sharing_and_images_without(run, tmp_path):
    for source, folder in ((write_video(tmp_path / 'walk.mkv'), 'of_video'),
                           (write_images(tmp_path / 'in'), 'of_images')):
        result = run(source, '--output', tmp_path / folder, '--json', tmp_path / f'{folder}.json')
        assert result.exit_code == 0, result.output
        assert ('multiplications saved' in result.output) == (folder == 'of_video')
    video = json.loads((tmp_path / 'of_video.json').read_text())
    images = json.loads((tmp_path / 'of_images.json').read_text())

    assert (video['frames'], images['frames']) == (6, 3)
    assert video['active_fraction'] < 0.9 and video['macs_saved_percent'] > 5
    assert images['active_fraction'] == 1 and images['macs_saved_percent'] == 0
    assert sorted(path.name for path in (tmp_path / 'of_video/edges/image').iterdir()) == [
        f'{number:06d}.png' for number in range(6)]


@pytest.mark.parametrize('sharing', ['--sharing', '--no-sharing'])
def test_the_maps_of_a_video_can_be_averaged_over_time(run, tmp_path, sharing):
    source = write_video(tmp_path / 'walk.mkv')
    for folder, *words in (['plain'], ['fused', '--fusion']):
        result = run(source, '--output', tmp_path / folder, '--arrays', 'npy', sharing, *words)
        assert result.exit_code == 0, result.output
    plain, fused = (np.load(tmp_path / folder / 'depth/image/000005.npy')
                    for folder in ('plain', 'fused'))

    assert not np.array_equal(plain, fused)
    assert np.median(np.abs(plain - fused) / plain) < 0.1


def test_only_the_maps_and_frames_asked_for_are_written(run, tmp_path):
    result = run(write_video(tmp_path / 'walk.mkv'), '--output', tmp_path / 'maps',
                 '--frames', 2, '--topics', 'depth/color', '--video', tmp_path / 'maps.mp4')

    assert result.exit_code == 0, result.output
    files = sorted(path for path in (tmp_path / 'maps').rglob('*') if path.is_file())
    assert [str(path.relative_to(tmp_path / 'maps')) for path in files] == [
        'depth/color/000000.png', 'depth/color/000001.png']
    assert (tmp_path / 'maps.mp4').stat().st_size > 500


def test_an_image_that_cannot_be_read_is_left_out_and_said(run, tmp_path):
    (write_images(tmp_path / 'in') / 'view_1.png').write_bytes(b'no picture')

    result = run(tmp_path / 'in', '--output', tmp_path / 'maps')

    assert result.exit_code == 0, result.output
    assert f'skipped {tmp_path}/in/view_1.png: cannot be read as an image' in result.output
    assert {path.stem for path in (tmp_path / 'maps/edges/image').iterdir()} == {
        'view_0', 'view_2'}


def test_a_run_without_one_image_that_can_be_used_is_a_failure(run, tmp_path):
    (tmp_path / 'in').mkdir()
    (tmp_path / 'in/a.jpg').write_bytes(b'')

    result = run(tmp_path / 'in', '--output', tmp_path / 'maps', '--json', tmp_path / 'run.json')

    assert result.exit_code == 1
    assert 'nothing was computed, because not one of 1 images could be used' in result.output
    assert json.loads((tmp_path / 'run.json').read_text())['frames'] == 0


@pytest.mark.parametrize('name', ['run #3', 'what?x=1', 'my%20maps', 'a:b'])
def test_an_output_may_have_any_name(run, tmp_path, name):
    video = pytest.importorskip('av') and tmp_path / f'{name}.mp4'

    result = run(write_images(tmp_path / 'in', 1), '--output', tmp_path / name, '--video', video)

    assert result.exit_code == 0, result.output
    assert (tmp_path / name / 'depth/image/view_0.png').exists() and video.stat().st_size > 500


def test_a_place_that_cannot_be_written_is_named_before_the_work(run, tmp_path):
    (tmp_path / 'file').write_text('text')

    result = run(write_images(tmp_path / 'in', 1), '--output', tmp_path / 'file/maps')

    assert result.exit_code == 1 and 'Traceback' not in result.output
    assert f'file/maps: cannot be written: {tmp_path}/file is a file' in result.output


def test_a_truncated_video_gives_its_beginning_and_exit_code_1(run, tmp_path):
    path = write_video(tmp_path / 'walk.mkv', 12, rate=5)
    data = bytearray(path.read_bytes())
    half = len(data) // 2
    data[half:] = bytes(len(data) - half)
    path.write_bytes(data)

    result = run(path, '--output', tmp_path / 'maps')

    written = len(list((tmp_path / 'maps/edges/image').iterdir()))
    assert 2 < written < 12
    assert result.exit_code == 1, result.output
    assert f'cannot be read any further after {written} frames' in result.output


def test_an_image_too_small_to_hold_anything_is_left_out(run, tmp_path):
    write_images(tmp_path / 'in', 2)
    Image.new('RGB', (8, 8)).save(tmp_path / 'in/tiny.png')

    result = run(tmp_path / 'in', '--output', tmp_path / 'maps')

    assert result.exit_code == 0, result.output
    assert 'skipped tiny: the image has 8x8 pixels' in result.output


def test_a_folder_that_holds_something_is_written_into_only_when_asked_to(run, tmp_path):
    source = write_images(tmp_path / 'in', 1)
    (tmp_path / 'maps').mkdir()
    (tmp_path / 'maps/notes.txt').write_text('mine')

    refused = run(source, '--output', tmp_path / 'maps')
    assert refused.exit_code == 1 and 'is not empty' in refused.output
    assert run(source, '--output', tmp_path / 'maps', '--overwrite').exit_code == 0
    assert (tmp_path / 'maps/notes.txt').read_text() == 'mine'


@pytest.mark.parametrize('words, complaint', [
    (['absent'], 'absent: there is no such file or folder'),
    (['empty'], 'empty: holds no images; their names end with'),
    (['text.txt'], 'text.txt: cannot be opened as a video'),
    (['987'], 'camera /dev/video987: cannot be opened'),
    (['walk.mp4', 'drive.mp4'], 'walk.mp4: is no image; images are computed together, but videos'),
    (['films'], 'left out walk.mp4, no images by their names: holds no images'),
    (['in', '--topics', 'depth/points'], "--topics is 'depth/points'; allowed is a list"),
    (['in', '--video', 'maps.gif'], "--video is 'maps.gif'"),
    (['in', '--fusion'], '--fusion averages maps over time, and single images have no order'),
])
def test_what_cannot_be_done_is_refused_before_the_work(
        run, tmp_path, monkeypatch, words, complaint):
    pytest.importorskip('av', reason='videos need the extra [video]')
    monkeypatch.chdir(tmp_path)
    write_images(Path('in'), 1)
    Path('empty').mkdir()
    for name in ('text.txt', 'walk.mp4', 'drive.mp4', 'films/walk.mp4'):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text('text')

    result = run(*words, '--output', 'maps')

    assert result.exit_code == 1
    assert complaint in result.output
    assert 'Traceback' not in result.output
    assert not Path('maps').exists()


def test_without_pyav_the_extra_is_named(command, tmp_path):
    (tmp_path / 'walk.mp4').write_bytes(b'anything')

    result = command('run', 'walk.mp4', '--output', 'maps', without='av')

    assert result.returncode == 1
    assert "pip install 'mtshare_ros[video]'" in result.stderr
