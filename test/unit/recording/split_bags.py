"""Bags of several files, and what is read of them."""

import shutil

from bag_files import camera_messages, IMAGE, INFO, storage_file, TALK, write_bag, write_camera_bag
import yaml

from mtshare_ros.recording.bag import Bag

IMAGES = 9
ALL = list(camera_messages(IMAGES))
EXPECTED = [(topic, time_ns) for topic, time_ns, _ in ALL]


def read(path, **limits):
    """Return (topic, recorded at) of all messages, damages and notices of a bag."""
    with Bag(path) as bag:
        messages = bag.messages((IMAGE, INFO, TALK), **limits)
        found = [(item.topic, item.time_ns) for item in messages]
        return found, [str(item) for item in bag.damages], bag.notices


def split_bag(folder, storage='sqlite3', files=3):
    """Write a bag of several files with equally many messages, and return its folder."""
    write_camera_bag(folder, IMAGES, storage)
    metadata = yaml.safe_load((folder / 'metadata.yaml').read_text())
    information = metadata['rosbag2_bagfile_information']
    storage_file(folder).unlink()
    share = len(ALL) // files
    information['relative_file_paths'], information['files'] = [], []
    for number in range(files):
        part = write_bag(folder / 'part', ALL[share * number:share * (number + 1)], storage)
        name = f'{folder.name}_{number}{storage_file(part).suffix}'
        shutil.move(storage_file(part), folder / name)
        shutil.rmtree(part)
        information['relative_file_paths'].append(name)
        information['files'].append({'path': name, 'message_count': share})
    (folder / 'metadata.yaml').write_text(yaml.safe_dump(metadata))
    return folder


def change_metadata(folder, change):
    """Change what stands in metadata.yaml."""
    metadata = yaml.safe_load((folder / 'metadata.yaml').read_text())
    change(metadata['rosbag2_bagfile_information'])
    (folder / 'metadata.yaml').write_text(yaml.safe_dump(metadata))


def pack(path, ending='.zstd', share=1.0):
    """Compress a file as rosbag2 does, or the beginning of it as a killed recorder leaves it."""
    import zstandard  # which needs the extra [bags]

    data = zstandard.ZstdCompressor().compress(path.read_bytes())
    path.with_name(path.name + ending).write_bytes(data[:int(share * len(data))])
    path.unlink()
