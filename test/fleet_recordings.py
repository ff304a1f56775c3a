"""Twenty small recordings as a fleet meets them: bags of both storages, videos, images, damage."""

import shutil

from bag_files import (
    camera_messages,
    camera_rows,
    IMAGE,
    picture,
    write_bag,
    write_camera_bag,
    write_mcap,
)
from PIL import Image

MCAP_IMAGES = (3, 8, 10, 11, 20, 25, 37)
SQLITE3_IMAGES = (2, 10, 15, 31)
VIDEO_FRAMES = {'walk.mp4': 24, 'hall.avi': 12, 'stairs.mkv': 33}


def write_recordings(folder):
    """Write twenty recordings below a folder; two of them cannot be computed whole."""
    for count in MCAP_IMAGES:
        write_camera_bag(folder / 'monday' / f'mcap_{count}', count)
    for count in SQLITE3_IMAGES:
        write_camera_bag(folder / 'tuesday' / f'sqlite3_{count}', count, 'sqlite3')
    for name, count in VIDEO_FRAMES.items():
        write_video(folder / 'videos' / name, count)
    write_images(folder / 'photos', 7)
    write_uncalibrated(folder / 'monday' / 'uncalibrated', 12)
    shutil.copytree(folder / 'monday' / 'mcap_20', folder / 'tuesday' / 'copy_of_mcap_20')
    truncate(write_mcap(folder / 'monday' / 'truncated.mcap', camera_rows(30), chunk_size=40_000))
    (folder / 'tuesday' / 'nothing.mcap').write_bytes(b'not a bag at all')
    write_camera_bag(folder / 'other size', 14, height=120, width=160)
    return folder


def write_video(path, count):
    """Write a video of a square that moves through a still scene."""
    import av

    path.parent.mkdir(exist_ok=True)
    with av.open(f'file:{path}', 'w') as file:
        stream = file.add_stream('mpeg4', rate=20)
        stream.height, stream.width = picture(0).shape[:2]
        stream.pix_fmt, stream.gop_size = 'yuv420p', 6
        for number in range(count):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture(number), format='rgb24')))
        file.mux(stream.encode())


def write_images(folder, count):
    folder.mkdir()
    for number in range(count):
        Image.fromarray(picture(40 * number)).save(folder / f'image_{number}.png')


def write_uncalibrated(folder, count):
    messages = [item for item in camera_messages(count) if item[0] == IMAGE]
    return write_bag(folder, messages)


def truncate(file):
    """Cut off the last third of a file, as a full disk does."""
    data = file.read_bytes()
    file.write_bytes(data[:len(data) * 2 // 3])
