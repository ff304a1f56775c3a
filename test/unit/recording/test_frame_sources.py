"""Images, folders and videos come as the frames a person sees, in their order and to their end."""

from fractions import Fraction
import socket
import struct

import numpy as np
import pytest

Image = pytest.importorskip('PIL.Image', reason='images need the extra [cli]')

from video_files import forget_codec, number_of, Stream, write_numbered  # noqa: E402

from mtshare_ros.errors import RecordingError  # noqa: E402
from mtshare_ros.recording.frame_sources import open_source, output_names  # noqa: E402

HEIGHT, WIDTH = 48, 64
ONE = 1 << 16


class Ear:
    """Keeps what a source says."""

    def __init__(self):
        self.skipped, self.notes = [], []

    def skip(self, line):
        self.skipped.append(line)

    def note(self, line):
        self.notes.append(line)


def picture(number=0):
    """Return an (H, W, 3) image that no turning and no mirror leaves as it is."""
    image = np.full((HEIGHT, WIDTH, 3), 40 + 5 * (number % 40), np.uint8)
    image[:HEIGHT // 2, :WIDTH // 4] = (220, 30, 30)
    image[:HEIGHT // 4, WIDTH // 2:] = (30, 30, 220)
    return image


def save(path, number=0, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(number)).save(path, **options)
    return path


def read(*paths):
    """Return the frames of a source and what it said."""
    ear = Ear()
    return list(open_source([str(path) for path in paths]).read(ear)), ear


def test_frames_of_a_folder_come_in_the_order_of_their_numbers(tmp_path):
    for number in (10, 2, 1, 11):
        save(tmp_path / f'frame_{number}.png')

    frames, _ = read(tmp_path)

    assert [frame.name for frame in frames] == ['frame_1', 'frame_2', 'frame_10', 'frame_11']


def test_images_that_share_a_name_get_names_of_their_own(tmp_path):
    for name in ('a.png', 'a.jpg', 'b.png', 'more/b.png', 'more/c.png'):
        save(tmp_path / 'in' / name)

    frames, ear = read(tmp_path / 'in', tmp_path / 'in/more')

    assert [frame.name for frame in frames] == ['a_jpg', 'a_png', 'in_b', 'more_b', 'c']
    assert any('4 images share their names' in note and 'called a_jpg' in note
               for note in ear.notes)


def test_an_image_given_twice_is_one_frame(tmp_path):
    save(tmp_path / 'a.png')

    frames, _ = read(tmp_path, tmp_path / 'a.png')

    assert [frame.name for frame in frames] == ['a']


def test_no_two_outputs_have_one_name_whatever_the_files_are_called(tmp_path):
    files = [tmp_path / name for name in (
        'a.png', 'a.jpg', 'a_png.png', 'x/a.png', 'x/a_jpg.png', 'y/x/a.png', 'x_a.png')]

    names = output_names(files)

    assert list(names) == files and len(set(names.values())) == len(files)


def test_what_is_left_out_of_a_folder_is_named(tmp_path):
    save(tmp_path / 'a.png')
    for name in ('notes.txt', 'walk.mp4', '.hidden'):
        (tmp_path / name).write_text('text')
    (tmp_path / 'deeper').mkdir()

    _, ear = read(tmp_path)

    assert ear.notes == [f'{tmp_path}: left out deeper/, notes.txt, walk.mp4, no images by their '
                         'names']


def test_an_image_without_an_ending_is_known_by_its_bytes(tmp_path):
    save(tmp_path / 'photo', format='png')

    frames, _ = read(tmp_path / 'photo')

    np.testing.assert_array_equal(frames[0].picture, picture())


@pytest.mark.parametrize('ending', ['HEIC', 'dng', 'cr2'])
def test_a_photo_of_which_only_a_part_would_be_read_is_refused(tmp_path, ending):
    path = save(tmp_path / f'photo.{ending}', format='tiff')

    with pytest.raises(RecordingError, match='not read; convert them to JPEG or PNG'):
        read(path)


def test_an_image_that_cannot_be_decoded_costs_no_other(tmp_path, monkeypatch):
    for name in ('a.png', 'c.png'):
        save(tmp_path / name)
    Image.new('L', (1000, 1000)).save(tmp_path / 'b_panorama.png')
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 10_000)

    frames, ear = read(tmp_path)

    assert [frame.name for frame in frames] == ['a', 'c']
    assert len(ear.skipped) == 1 and 'b_panorama.png: cannot be read' in ear.skipped[0]


def test_of_a_file_with_several_pictures_the_first_is_used_and_that_is_said(tmp_path):
    save(tmp_path / 'a.tif', save_all=True, append_images=[Image.fromarray(picture(1))])

    frames, ear = read(tmp_path / 'a.tif')

    assert len(frames) == 1 and 'only the first of its 2 pictures' in ear.notes[0]


def write_video(path, count, rate=10, sound_s=0.0, codec='libx264'):
    """Write a video, with silence as its sound for some seconds."""
    av = pytest.importorskip('av', reason='videos need the extra [video]')
    with av.open(f'file:{path}', 'w') as file:
        stream = file.add_stream(codec, rate=rate)
        stream.width, stream.height = WIDTH, HEIGHT
        stream.pix_fmt = 'rgb24' if codec == 'png' else 'yuv420p'
        sound = file.add_stream('aac', rate=48000) if sound_s else None
        for number in range(count):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture(number), format='rgb24')))
        file.mux(stream.encode())
        for number in range(int(sound_s * 50)):
            silence = av.AudioFrame(format='fltp', layout='mono', samples=960)
            silence.sample_rate, silence.time_base = 48000, Fraction(1, 48000)
            silence.pts = 960 * number
            for plane in silence.planes:
                plane.update(bytes(plane.buffer_size))
            file.mux(sound.encode(silence))
        if sound is not None:
            file.mux(sound.encode())
    return path


@pytest.mark.parametrize(('name', 'options'), [
    ('timelapse.mp4', {'count': 4, 'rate': Fraction(1, 5)}),
    ('timelapse.mkv', {'count': 4, 'rate': Fraction(1, 5)}),
    ('one.mp4', {'count': 1, 'rate': Fraction(1, 5)}),
    ('talk.mp4', {'count': 10, 'sound_s': 4}),
    ('talk.mkv', {'count': 10, 'sound_s': 4}),
    ('talk.ts', {'count': 10, 'sound_s': 4}),
    ('12:30 #1 50%.mp4', {'count': 3}),
])
def test_a_whole_video_is_read_to_its_end_without_a_complaint(tmp_path, name, options):
    frames, ear = read(write_video(tmp_path / name, **options))

    assert len(frames) == options['count'] and not ear.skipped


def test_a_video_that_lacks_its_end_is_not_taken_for_whole(tmp_path):
    whole = write_video(tmp_path / 'walk.mkv', 60, codec='mpeg4').read_bytes()
    path = tmp_path / 'cut.mkv'
    path.write_bytes(whole[:len(whole) // 2])

    with pytest.raises(RecordingError, match='cannot be read any further after .* of the 6.0 s'):
        read(path)


TURNS = {
    'upright': ((1, 0, 0, 1), lambda image: image),
    'quarter': ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),
    'half': ((-1, 0, 0, -1), lambda image: np.rot90(image, 2)),
    'three quarters': ((0, -1, 1, 0), lambda image: np.rot90(image, 1)),
    'mirrored': ((-1, 0, 0, 1), lambda image: image[:, ::-1]),
    'upside down': ((1, 0, 0, -1), lambda image: image[::-1]),
    'mirrored and turned': ((0, 1, 1, 0), lambda image: image.swapaxes(0, 1)),
    'mirrored and turned back': ((0, -1, -1, 0),
                                 lambda image: np.rot90(image, 2).swapaxes(0, 1)),
}


@pytest.mark.parametrize('turn', TURNS)
def test_a_video_is_turned_as_its_container_says(tmp_path, turn):
    (a, b, c, d), expected = TURNS[turn]
    path = write_video(tmp_path / 'phone.mp4', 2)
    data = bytearray(path.read_bytes())
    at = data.find(b'tkhd') + 4 + 40
    data[at:at + 36] = struct.pack('>9i', a * ONE, b * ONE, 0, c * ONE, d * ONE, 0, 0, 0, 1 << 30)
    path.write_bytes(data)

    frames, _ = read(path)

    wanted = expected(picture()).astype(int)
    assert frames[0].picture.shape == wanted.shape
    assert np.abs(frames[0].picture - wanted).mean() < 12


def test_damage_inside_a_video_costs_the_frames_it_hits(tmp_path):
    path = write_video(tmp_path / 'walk.mov', 12, codec='png')
    data = bytearray(path.read_bytes())
    starts = [at for at in range(len(data)) if data.startswith(b'\x89PNG', at)]
    data[starts[4]:starts[4] + 40] = bytes(40)
    path.write_bytes(data)

    frames, ear = read(path)

    assert len(frames) == 11 and len(ear.skipped) == 1 and 'frame 4' in ear.skipped[0]


def test_a_video_of_an_unknown_codec_is_refused_with_what_to_do(tmp_path):
    pytest.importorskip('av', reason='videos need the extra [video]')
    path = forget_codec(write_numbered(tmp_path / 'a.avi', 3), tmp_path / 'b.avi')

    with pytest.raises(RecordingError, match='b.avi: has pictures of a codec that is not known'):
        read(path)


@pytest.mark.parametrize('name', ['97', '/dev/video97'])
def test_an_absent_camera_is_named_by_its_device(name):
    pytest.importorskip('av', reason='videos need the extra [video]')

    with pytest.raises(RecordingError, match='camera /dev/video97: .* No such file'):
        open_source([name])


def test_a_stream_is_read_and_its_password_stands_in_no_message(tmp_path):
    pytest.importorskip('av', reason='videos need the extra [video]')
    stream = Stream(write_numbered(tmp_path / 'a.ts', 10, codec='mpeg2video'))
    source = open_source([f'tcp://127.0.0.1:{stream.port}'])
    frames = source.read(Ear())

    assert source.live and number_of(next(frames).picture) == 0
    frames.close()
    stream.close()
    with pytest.raises(RecordingError) as caught:
        open_source(['rtsp://me:secret@127.0.0.1:9/hall'])
    assert 'rtsp://me:***@127.0.0.1:9/hall' in str(caught.value)
    assert 'secret' not in str(caught.value)


def test_a_camera_comes_alone(tmp_path):
    with pytest.raises(RecordingError, match='/dev/video0: a camera comes alone'):
        open_source([str(save(tmp_path / 'a.png')), '/dev/video0'])


def test_a_stream_that_sends_nothing_is_not_waited_for_for_ever(monkeypatch):
    pytest.importorskip('av', reason='videos need the extra [video]')
    monkeypatch.setattr('mtshare_ros.recording.video_source._TIMEOUT_S', 0.2)
    with socket.create_server(('127.0.0.1', 0)) as mute:
        with pytest.raises(RecordingError, match='nothing came for too long'):
            open_source([f'tcp://127.0.0.1:{mute.getsockname()[1]}'])
